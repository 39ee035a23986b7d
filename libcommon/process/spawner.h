// The spawner: a small process that an acceptor starts before it opens anything,
// prepares the chain once, and forks a child for each client. What forks is
// small, holds nothing locked and nothing secret. As a fork keeps canary and
// address layout, the acceptor replaces it, by fork and exec, now and then and
// whenever a child died by a fault.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "libcommon/base/environment.h"
#include "libcommon/base/fd.h"
#include "libcommon/base/stop.h"
#include "libcommon/process/held_signals.h"
#include "libcommon/process/invocation.h"

namespace moat {

// The most that the variables of one client take, in octets with their NULs.
inline constexpr std::size_t max_client_variables = std::size_t{32} * 1024;

// A child that ended.
struct Ended {
  std::uint32_t slot;   // the acceptor's number for the client
  std::int32_t status;  // as wait(2) has it
};

// The acceptor's end of a spawner. Destruction lets go of it: it takes nobody
// more, sees its children to their end, and ends.
class Spawner {
 public:
  // Runs this executable again as argv (its hidden form, into which the number
  // of the control descriptor goes at the word "FD") with descriptors 0 and 1
  // on /dev/null and signals as `inherited` restores them.
  static Result<Spawner> start(Argv argv, const Environment &environment,
                               const HeldSignals &inherited);

  // For poll: readable when report() has something.
  int fd() const { return control_.get(); }
  pid_t pid() const { return pid_; }

  // What came from the spawner.
  struct Report {
    bool ready = false;        // it has prepared the chain
    std::optional<Stop> stop;  // it could not: a mistake in the chain
    bool gone = false;         // it has ended, and was waited for
    std::vector<Ended> ended;
  };

  // Takes what is there, without waiting.
  Report report();

  // Hands over a client with the variables ("NAME=value") that are his alone.
  // `renew` says that among them are options of the chain's programs. Waits for
  // room; the descriptor stays the caller's.
  Status hand_over(std::uint32_t slot, int client, std::span<const std::string> variables,
                   bool renew);

  // Sends SIGTERM to the children: they should come to an end.
  void wind_up() const;

  // Has it end as soon as its children have; reports go on until it has gone.
  void retire() const;

 private:
  void order(std::uint32_t slot) const;
  Spawner(pid_t pid, Fd control) : pid_(pid), control_(std::move(control)) {}
  pid_t pid_;
  Fd control_;
};

// The spawner's own side: prepares `chain`, confines itself where the whole of it
// can be, and serves the acceptor on `control` until it closes. Returns the exit
// code of the spawner; in a child that is a client's, of his chain.
int run_spawner(Invocation &invocation, int control, Argv chain);

}  // namespace moat
