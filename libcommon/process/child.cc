#include "libcommon/process/child.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "libcommon/base/io.h"

namespace moat {
namespace {

constexpr int queue_cannot_exec = 120;  // qmail-queue's word for it

// Puts the descriptors where the child wants them, whatever order they have:
// first out of the way of all targets, then down. Closes the rest.
bool move_descriptors(const std::vector<FdMove> &moves) {
  int highest = STDERR_FILENO;
  for (const FdMove &move : moves) highest = std::max(highest, move.to);
  std::vector<FdMove> high;
  for (const FdMove &move : moves) {
    const int copy = ::fcntl(move.from, F_DUPFD_CLOEXEC, highest + 1);
    if (copy < 0) return false;
    high.push_back({copy, move.to});
  }
  for (const FdMove &move : high) {
    if (::dup2(move.from, move.to) < 0) return false;
  }
  for (int fd = STDERR_FILENO + 1; fd <= highest; ++fd) {
    const auto wanted = [fd](const FdMove &move) { return move.to == fd; };
    if (std::none_of(moves.begin(), moves.end(), wanted)) ::close(fd);
  }
  return ::syscall(SYS_close_range, static_cast<unsigned>(highest + 1), ~0U, 0U) == 0;
}

void reset_signals() {
  struct sigaction plain{};
  plain.sa_handler = SIG_DFL;  // NOLINT(cppcoreguidelines-pro-type-union-access)
  ::sigaction(SIGPIPE, &plain, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void become(const Argv &argv, const Environment &environment,
                         const std::vector<FdMove> &moves, int cannot_exec) {
  ::setpgid(0, 0);
  reset_signals();
  if (!move_descriptors(moves)) ::_exit(cannot_exec);
  Invocation invocation(environment, Clock());
  const bool called = find_program(argv[0]) != nullptr;
  const int code = run_chain(invocation, argv);
  std::exit(called || code != exit_temporary ? code : cannot_exec);
}

}  // namespace

Result<Child> Child::start(const Argv &argv, const Environment &environment,
                           const std::vector<FdMove> &moves, bool queue_codes) {
  const pid_t pid = ::fork();
  if (pid < 0) return system_error("fork");
  if (pid == 0) {
    become(argv, environment, moves, queue_codes ? queue_cannot_exec : exit_temporary);
  }
  ::setpgid(pid, pid);  // also here: whoever comes first, the group exists
  Child child(pid, Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))));
  if (!child.pidfd_) return system_error("pidfd_open");
  return child;
}

Child::Child(Child &&other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}

Child &Child::operator=(Child &&other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(pidfd_, other.pidfd_);
  return *this;
}

Child::~Child() {
  if (pid_ <= 0) return;
  signal_group(SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::optional<Ending> Child::wait(Deadline deadline) {
  const auto ended = wait_readable(pidfd_.get(), deadline);
  if (!ended || !*ended) return std::nullopt;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) return std::nullopt;
  }
  pid_ = -1;
  if (WIFSIGNALED(status)) return Ending{-1, WTERMSIG(status)};
  return Ending{WEXITSTATUS(status), 0};
}

void Child::signal_group(int signal) const {
  if (pid_ > 0) ::kill(-pid_, signal);
}

}  // namespace moat
