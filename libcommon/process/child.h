// A child process that is a program of its own.

#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "libcommon/base/clock.h"
#include "libcommon/base/fd.h"
#include "libcommon/process/invocation.h"

namespace moat {

// How a child ended.
struct Ending {
  int code;    // its exit code; -1 when a signal ended it
  int signal;  // 0 when it exited
};

// Puts our descriptor `from` at `to` in the child.
struct FdMove {
  int from;
  int to;
};

// A child in a process group of its own. Destruction ends the group and waits
// for the child, so none outlives its owner unnoticed.
class Child {
 public:
  // Forks, moves descriptors (all others of ours close; what the caller itself
  // inherited at 0 to 2 stays unless moved over) and goes on with argv, by call
  // where it stands in the table, else by exec; "cannot exec" exits 120 if
  // `queue_codes`, else 111.
  static Result<Child> start(const Argv &argv, const Environment &environment,
                             const std::vector<FdMove> &moves, bool queue_codes = false);

  Child(Child &&other) noexcept;
  Child &operator=(Child &&other) noexcept;
  Child(const Child &) = delete;
  Child &operator=(const Child &) = delete;
  ~Child();

  pid_t pid() const { return pid_; }

  // Returns a descriptor that is readable once the child has ended; for poll.
  int pidfd() const { return pidfd_.get(); }

  // Waits for the end. Returns nullopt when the deadline passed first.
  std::optional<Ending> wait(Deadline deadline);

  // Sends a signal to the whole group.
  void signal_group(int signal) const;

 private:
  Child(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  pid_t pid_ = -1;
  Fd pidfd_;
};

}  // namespace moat
