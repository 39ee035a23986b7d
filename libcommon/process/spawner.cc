// The acceptor's side. Packets to the spawner: a header, then NUL-ended
// variables, with the client's descriptor. Packets back: a kind, then what
// belongs to it (spawner_wire.h).

#include "libcommon/process/spawner.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "libcommon/process/spawner_wire.h"

namespace moat {
namespace {

std::vector<char *> pointers(std::vector<std::string> &strings) {
  std::vector<char *> result;
  for (std::string &string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

// In the child: this executable again, under whatever name.
[[noreturn]] void become_spawner(Argv words, const Environment &environment, int control,
                                 const HeldSignals &inherited) {
  for (std::string &word : words) {
    if (word == "FD") {
      word = std::to_string(control);
      break;
    }
  }
  std::vector<std::string> entries = environment.strings();
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  const bool moved = nothing >= 0 && ::dup2(nothing, STDIN_FILENO) >= 0 &&
                     ::dup2(nothing, STDOUT_FILENO) >= 0 &&
                     ::fcntl(control, F_SETFD, 0) == 0;
  inherited.restore();
  if (moved) {
    ::execve("/proc/self/exe", pointers(words).data(), pointers(entries).data());
  }
  ::_exit(exit_temporary);
}

}  // namespace

Result<Spawner> Spawner::start(Argv argv, const Environment &environment,
                               const HeldSignals &inherited) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return system_error("socketpair");
  }
  Fd ours(ends[0]);
  const Fd its(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return system_error("fork");
  if (pid == 0) become_spawner(std::move(argv), environment, its.get(), inherited);
  return Spawner(pid, std::move(ours));
}

Spawner::Report Spawner::report() {
  Report report;
  std::array<char, wire::max_report> packet;
  for (;;) {
    const auto size = ::recv(control_.get(), packet.data(), packet.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return report;
    if (size <= 0) break;
    const std::string_view octets(packet.data(), static_cast<std::size_t>(size));
    const auto kind = static_cast<wire::Kind>(octets[0]);
    if (kind == wire::Kind::ready) report.ready = true;
    if (kind == wire::Kind::stop && octets.size() > 1) {
      const int code = static_cast<unsigned char>(octets[1]);
      report.stop = Stop{code, std::string(octets.substr(2))};
    }
    if (kind != wire::Kind::ended) continue;
    for (std::size_t at = 4; at + sizeof(Ended) <= octets.size(); at += sizeof(Ended)) {
      Ended ended{};
      std::memcpy(&ended, octets.data() + at, sizeof ended);
      report.ended.push_back(ended);
    }
  }
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  report.gone = true;
  return report;
}

Status Spawner::hand_over(std::uint32_t slot, int client,
                          std::span<const std::string> variables, bool renew) {
  wire::Client head{slot, renew ? 1U : 0U};
  std::string text;
  for (const std::string &variable : variables) {
    text.append(variable.data(), variable.size() + 1);  // with its NUL
  }
  if (text.size() > max_client_variables) return permanent_error("variables too long");
  std::array<iovec, 2> pieces{iovec{&head, sizeof head}, iovec{text.data(), text.size()}};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> space{};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  message.msg_control = space.data();
  message.msg_controllen = space.size();
  cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &client, sizeof client);
  while (::sendmsg(control_.get(), &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return system_error("spawner");
  }
  return done;
}

// A spawner that is not there to hear an order has nobody left to give it to.
void Spawner::order(std::uint32_t slot) const {
  const wire::Client head{slot, 0};
  ::send(control_.get(), &head, sizeof head, MSG_NOSIGNAL);
}

void Spawner::wind_up() const { order(wire::wind_up); }

void Spawner::retire() const { order(wire::retire); }

}  // namespace moat
