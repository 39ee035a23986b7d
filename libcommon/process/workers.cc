#include "libcommon/process/workers.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/process/signals.h"

namespace moat {
namespace {

constexpr int idle_ms = 2000;
constexpr std::size_t max_request_fds = 1;

// A caller who does not take his answer must not keep a worker for ever.
constexpr Milliseconds answer_timeout{60000};

void answer_requests(int door, DoorWorker &worker, int stop) {
  for (;;) {
    std::array<pollfd, 2> entries{pollfd{door, POLLIN, 0}, pollfd{stop, POLLIN, 0}};
    const int ready = ::poll(entries.data(), entries.size(), idle_ms);
    if (ready < 0 && errno != EINTR) return;
    if (ready == 0) worker.idle();
    if (ready <= 0) continue;
    if (entries[1].revents != 0) return;
    auto request = receive_packet(door, max_packet, max_request_fds,
                                  Deadline::after(answer_timeout));
    if (!request || (request->octets.empty() && request->fds.empty())) return;
    const std::string answer = worker.answer(std::move(*request), door, stop);
    if (answer.empty()) return;
    if (!send_packet(door, answer, {}, Deadline::after(answer_timeout))) return;
  }
}

void work(const Fd &door, DoorWorker &worker, int stop) {
  answer_requests(door.get(), worker, stop);
  worker.idle();  // lets go of what it has kept
}

class Acceptor {
 public:
  Acceptor(Fd listener, Callers callers, const DoorSettings &settings,
           const Invocation &invocation,
           const std::function<std::unique_ptr<DoorWorker>()> &make)
      : listener_(std::move(listener)),
        callers_(std::move(callers)),
        settings_(settings),
        log_(invocation.log),
        make_(make) {}

  int run();

 private:
  void reap();
  void take_caller();

  Fd listener_;
  Callers callers_;
  const DoorSettings &settings_;
  const Log &log_;
  const std::function<std::unique_ptr<DoorWorker>()> &make_;
  SignalReader signals_{SIGTERM, SIGINT, SIGCHLD};
  std::vector<pid_t> workers_;
};

int Acceptor::run() {
  for (;;) {
    const bool full = workers_.size() >= settings_.limit;
    std::array<pollfd, 2> entries{pollfd{signals_.fd(), POLLIN, 0},
                                  pollfd{full ? -1 : listener_.get(), POLLIN, 0}};
    if (::poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR) {
      return exit_temporary;
    }
    while (const auto signal = signals_.next()) {
      if (*signal == SIGCHLD) continue;
      for (const pid_t worker : workers_) ::kill(worker, SIGTERM);
      return exit_ok;
    }
    reap();
    if (entries[1].revents != 0) take_caller();
  }
}

void Acceptor::reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    std::erase(workers_, pid);
    if (WIFSIGNALED(status)) {
      log_.event("died", {{"pid", pid}, {"signal", WTERMSIG(status)}});
    }
  }
}

void Acceptor::take_caller() {
  auto caller = accept_at_door(listener_.get());
  if (!caller || !*caller) return;
  const auto peer = door_peer(caller->get());
  if (!peer || !callers_.admit(*peer)) {
    log_.event("refused", {{"reason", "caller"}, {"uid", peer ? peer->uid : 0}});
    return;
  }
  const pid_t pid = ::fork();
  if (pid < 0) log_.event("trouble", {{"reason", system_error("fork").what}});
  if (pid > 0) workers_.push_back(pid);
  if (pid != 0) return;

  listener_.reset();
  const auto worker = make_();
  // SIGCHLD is for the acceptor; here it would look like a wish to end.
  SignalReader stop{SIGTERM, SIGINT};
  work(*caller, *worker, stop.fd());
  std::exit(exit_ok);
}

bool is_listening(int fd) {
  int listening = 0;
  socklen_t size = sizeof listening;
  return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 &&
         listening != 0;
}

// Returns N of "fd:N".
std::optional<int> inherited(std::string_view door) {
  if (!door.starts_with("fd:")) return std::nullopt;
  const auto number = parse_number(door.substr(3), 0, 1023);
  if (!number) return std::nullopt;
  return static_cast<int>(*number);
}

Result<Fd> listen_at(const std::string &door) {
  if (const auto number = inherited(door)) {
    Fd copy(::dup(*number));
    if (!copy) return system_error(door);
    return copy;
  }
  const auto path = door_path(door);
  if (!path) return permanent_error("--serve takes PATH, unix:PATH or fd:N");
  return listen_at_door(*path);
}

int fail(const Error &error, const Log &log) {
  log.fatal(error.what);
  return error.temporary ? exit_temporary : exit_permanent;
}

}  // namespace

int serve_door(const DoorSettings &settings, Invocation &invocation,
               const std::function<std::unique_ptr<DoorWorker>()> &make) {
  auto listener = listen_at(settings.door);
  if (!listener) return fail(listener.error(), invocation.log);
  if (inherited(settings.door) && !is_listening(listener->get())) {
    SignalReader stop{SIGTERM, SIGINT};
    work(*listener, *make(), stop.fd());
    return exit_ok;
  }
  if (!settings.user.empty()) {
    const auto user = find_user(settings.user);
    if (!user) return fail(user.error(), invocation.log);
    const auto become = become_user(*user);
    if (!become) return fail(become.error(), invocation.log);
  }
  // After the change of user: one's own user is the server's new one.
  auto callers = Callers::parse(settings.from);
  if (!callers) return fail(callers.error(), invocation.log);
  invocation.log.event("serving", {{"door", settings.door}});
  return Acceptor(std::move(*listener), std::move(*callers), settings, invocation, make)
      .run();
}

}  // namespace moat
