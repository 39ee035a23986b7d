// Invocation: what a running program has to do with the world.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/base/clock.h"
#include "libcommon/base/environment.h"
#include "libcommon/base/log.h"
#include "libcommon/process/program.h"

namespace moat {

// Something that a process opens once and all programs called in it share: a
// state file. Destroyed before an exec and at the end.
class OpenState {
 public:
  OpenState() = default;
  OpenState(const OpenState &) = delete;
  OpenState &operator=(const OpenState &) = delete;
  virtual ~OpenState() = default;

  // Whether a process may end without destroying it: nothing but its memory
  // goes, as with what is only read.
  virtual bool may_lapse() const { return false; }
};

// The programs behind an acceptor, prepared once before its first client.
class PreparedChain {
 public:
  // Prepares `argv` and every program behind it, as far as they stand in the
  // table; what follows is found in PATH and exec'd. A mistake is a Stop.
  static Prepared<PreparedChain> make(const Argv &argv, const Environment &environment);

  // Returns the task prepared for these words if the variables that its options
  // come from are still the same; else nullptr.
  const Task *find(const Argv &argv, const Environment &environment) const;

  // Whether all of it is called: no exec follows.
  bool whole() const { return whole_; }

  // Returns the words that are not called but exec'd; empty when whole().
  const Argv &rest() const { return rest_; }

  // Prepares again each program whose option variables are not what they were:
  // an access rule set them for one client. A mistake is a Stop.
  std::optional<Stop> renew(const Environment &environment);

  // Returns what all of it needs where it is called as a whole and each program
  // can be confined.
  std::optional<Confinement> confinement() const;

  // Before a fork: opens what its programs may share with each other's runs.
  void warm(Invocation &invocation) const;

 private:
  struct Link {
    Argv argv;
    std::vector<std::string> variables;  // "NAME=value" of its options
    std::unique_ptr<Task> task;
  };
  std::vector<Link> links_;
  Argv rest_;
  bool whole_ = true;
};

// Descriptors 0, 1 and 2 are what the seam says. A program changes `env` for
// the next one, logs through `log`, and leaves the rest of the process as it
// found it: what it sets, it puts back (RAII), for the next program may be
// called in the same process.
class Invocation {
 public:
  Invocation(Environment environment, Clock time)
      : env(std::move(environment)), clock(time) {}

  Environment env;
  Clock clock;
  Log log;
  std::shared_ptr<const PreparedChain> chain;                    // set by an acceptor
  std::map<std::string, std::unique_ptr<OpenState>> open_state;  // by path
};

// Runs programs until one ends: prepares (or finds prepared), runs, goes on by
// call where the next word stands in the table, else by exec. Returns the exit
// code; "cannot exec" is 111.
int run_chain(Invocation &invocation, Argv argv);

// Says whether `word` could be exec'd: a path, or found in the PATH of
// `environment`. The error names it.
Status find_executable(const std::string &word, const Environment &environment);

// Replaces the process by the program argv[0], found in the PATH of
// `environment`. Returns only on failure, with the reason.
Error exec_program(const Argv &argv, const Environment &environment);

}  // namespace moat
