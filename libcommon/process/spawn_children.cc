// The spawner's own side.

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <utility>

#include "libcommon/base/io.h"
#include "libcommon/process/spawner.h"
#include "libcommon/process/spawner_wire.h"

namespace moat {
namespace {

constexpr std::array<int, 1> child_ends{SIGCHLD};
constexpr std::string_view misconfigured = "421 4.3.5 server configuration error\r\n";

// Ends a child. Destructors and exit handlers would copy pages only to free what
// dies with the process; but builds that report at exit need theirs.
[[noreturn]] void leave(Invocation &invocation, int code) {
  std::erase_if(invocation.open_state,
                [](const auto &entry) { return !entry.second->may_lapse(); });
#ifdef MOAT_LONG_EXIT
  std::exit(code);
#else
  ::_exit(code);
#endif
}

class Nursery {
 public:
  Nursery(Invocation &invocation, Fd control, PreparedChain chain, Argv argv)
      : invocation_(invocation),
        control_(std::move(control)),
        chain_(std::make_shared<PreparedChain>(std::move(chain))),
        argv_(std::move(argv)),
        held_(child_ends),
        signals_(held_.descriptor()) {}

  // Returns the exit code of this process; in a child, of the client's chain.
  int serve();

 private:
  // Each returns the chain's exit code in a child, nullopt in the spawner.
  std::optional<int> take_clients();
  std::optional<int> start(const wire::Client &head, Fd client,
                           std::string_view variables);
  int run_client(const wire::Client &head, Fd client, std::string_view variables);
  void wind_up();
  void reap();
  void tell();

  Invocation &invocation_;
  Fd control_;
  std::shared_ptr<PreparedChain> chain_;
  Argv argv_;
  HeldSignals held_;
  Fd signals_;
  bool open_ = true;      // the acceptor is there
  bool retired_ = false;  // and will hand over nobody more
  std::unordered_map<pid_t, std::uint32_t> children_;
  std::vector<Ended> ended_;  // not yet told
};

int Nursery::serve() {
  while ((open_ && !retired_) || !children_.empty() || !ended_.empty()) {
    // While told what it has not read, a full acceptor is waited for.
    const short control_events =
        static_cast<short>((open_ ? POLLIN : 0) | (ended_.empty() ? 0 : POLLOUT));
    std::array<pollfd, 2> entries{
        pollfd{control_events == 0 ? -1 : control_.get(), control_events, 0},
        pollfd{signals_.get(), POLLIN, 0}};
    if (::poll(entries.data(), entries.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return exit_temporary;
    }
    if (entries[1].revents != 0) reap();
    if (open_ && entries[0].revents != 0) {
      if (const auto code = take_clients()) return *code;
    }
    if (!ended_.empty()) tell();
  }
  return exit_ok;
}

std::optional<int> Nursery::take_clients() {
  chain_->warm(invocation_);
  for (;;) {
    std::array<char, sizeof(wire::Client) + max_client_variables> octets;
    iovec piece{octets.data(), octets.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> space;
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = space.data();
    message.msg_controllen = space.size();
    const auto size =
        ::recvmsg(control_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (size < static_cast<ssize_t>(sizeof(wire::Client))) {
      open_ = false;
      return std::nullopt;
    }
    wire::Client head{};
    std::memcpy(&head, octets.data(), sizeof head);
    Fd client;
    const cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
      client.reset(fd);
    }
    if (head.slot == wire::wind_up) wind_up();
    if (head.slot == wire::retire) retired_ = true;
    if (head.slot >= wire::retire) continue;
    const std::string_view variables(octets.data() + sizeof head,
                                     static_cast<std::size_t>(size) - sizeof head);
    if (const auto code = start(head, std::move(client), variables)) return code;
  }
}

std::optional<int> Nursery::start(const wire::Client &head, Fd client,
                                  std::string_view variables) {
  const pid_t pid = ::fork();
  if (pid == 0) return run_client(head, std::move(client), variables);
  if (pid > 0) {
    children_.emplace(pid, head.slot);
    return std::nullopt;
  }
  const Error error = system_error("fork");
  invocation_.log.event("refuse", {{"reason", "fork"}, {"error", error.what}});
  [[maybe_unused]] const auto sent = write_all(
      client.get(), "421 4.3.0 out of resources, try again later\r\n", Deadline::at(0));
  ended_.push_back({head.slot, 0});
  return std::nullopt;
}

int Nursery::run_client(const wire::Client &head, Fd client, std::string_view variables) {
  control_.reset();
  signals_.reset();
  if (::dup2(client.get(), STDIN_FILENO) < 0 || ::dup2(client.get(), STDOUT_FILENO) < 0) {
    return exit_temporary;
  }
  client.reset();
  held_.restore();

  while (!variables.empty()) {
    const auto end = variables.find('\0');
    const std::string_view entry = variables.substr(0, end);
    const auto equals = entry.find('=');
    if (end == std::string_view::npos || equals == std::string_view::npos) break;
    invocation_.env.set(entry.substr(0, equals), entry.substr(equals + 1));
    variables.remove_prefix(end + 1);
  }
  if (head.renew != 0) {
    if (const auto stop = chain_->renew(invocation_.env)) {
      invocation_.log.event("refuse",
                            {{"session", invocation_.env.get_or("MOAT_SESSION", "")},
                             {"reason", "config"},
                             {"error", stop->text}});
      [[maybe_unused]] const auto sent =
          write_all(STDOUT_FILENO, misconfigured, Deadline::at(0));
      return stop->code;
    }
  }
  invocation_.chain = chain_;
  leave(invocation_, run_chain(invocation_, std::move(argv_)));
}

void Nursery::wind_up() {
  for (const auto &[pid, slot] : children_) ::kill(pid, SIGTERM);
}

void Nursery::reap() {
  std::array<signalfd_siginfo, 16> told;
  [[maybe_unused]] const auto size = ::read(signals_.get(), told.data(), sizeof told);
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    const auto found = children_.find(pid);
    if (found == children_.end()) continue;
    ended_.push_back({found->second, status});
    children_.erase(found);
  }
}

void Nursery::tell() {
  constexpr std::size_t most = (wire::max_report - 4) / sizeof(Ended);
  while (!ended_.empty()) {
    const std::size_t count = std::min(ended_.size(), most);
    std::array<char, wire::max_report> packet;
    packet[0] = static_cast<char>(wire::Kind::ended);
    std::memcpy(packet.data() + 4, ended_.data(), count * sizeof(Ended));
    if (::send(control_.get(), packet.data(), 4 + count * sizeof(Ended),
               MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      ended_.clear();  // nobody is left to be told
      return;
    }
    ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(count));
  }
}

bool send_stop(int control, const Stop &stop) {
  std::string packet{static_cast<char>(wire::Kind::stop), static_cast<char>(stop.code)};
  packet += stop.text.substr(0, wire::max_report - 2);
  return ::send(control, packet.data(), packet.size(), MSG_NOSIGNAL) > 0;
}

}  // namespace

int run_spawner(Invocation &invocation, int control_fd, Argv chain) {
  Fd control(control_fd);
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(control.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
      type != SOCK_SEQPACKET || ::fcntl(control.get(), F_SETFD, FD_CLOEXEC) != 0) {
    invocation.log.fatal("a spawner is started by its acceptor alone");
    return exit_permanent;
  }
  auto prepared = PreparedChain::make(chain, invocation.env);
  if (const auto *stop = std::get_if<Stop>(&prepared)) {
    send_stop(control.get(), *stop);
    return stop->code;
  }
  auto &ready_chain = std::get<PreparedChain>(prepared);
  if (!ready_chain.whole()) {
    if (const auto found = find_executable(ready_chain.rest()[0], invocation.env);
        !found) {
      send_stop(control.get(), Stop{exit_temporary, found.error().what});
      return exit_temporary;
    }
  }
  if (const auto needs = ready_chain.confinement()) {
    if (const auto confined = confine(*needs); !confined) {
      invocation.log.event("unconfined", {{"reason", confined.error().what}});
    }
  } else if (ready_chain.whole()) {
    // Once for all clients: who execs must not pass a confinement on.
    invocation.log.event("unconfined", {{"reason", "the chain runs other programs"}});
  }
  static constexpr char ready = static_cast<char>(wire::Kind::ready);
  if (::send(control.get(), &ready, 1, MSG_NOSIGNAL) != 1) return exit_temporary;
  Nursery nursery(invocation, std::move(control), std::move(ready_chain),
                  std::move(chain));
  return nursery.serve();
}

}  // namespace moat
