// What moat-relayctl was asked to do.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/base/places.h"
#include "libcommon/cli/options.h"
#include "libcommon/net/ip_address.h"
#include "libcommon/process/confine.h"
#include "libcommon/process/invocation.h"
#include "libcommon/process/workers.h"

namespace moat::relayctl {

struct Call {
  Common common;
  Places places;
  std::vector<std::string> words;  // the command and its operands
  Milliseconds period{0};          // --for; 0: without end
  std::string via;
  std::string test;
  bool export_rules = false;
  std::string ip;
  Milliseconds max_for = std::chrono::hours(1);
  DoorSettings door;
  Argv next;  // of check

  bool checks() const { return !words.empty() && words[0] == "check"; }
  std::optional<Confinement> confinement() const;

  // Opens both files, which each check asks.
  void warm(Invocation &invocation) const;
};

// Returns what is wrong with the words and options together, "" when nothing.
std::string misuse_of(const Call &call);

// Each does one command. Returns the exit code, or why it could not be done.
Result<int> change_network(const Call &call, Invocation &invocation);
Result<int> list_networks(const Call &call, Invocation &invocation);
Result<int> import_networks(const Call &call, Invocation &invocation);
Result<int> export_networks(const Call &call, Invocation &invocation);
Result<int> rules(const Call &call, Invocation &invocation);

// In a chain: sets or unsets RELAYCLIENT and goes on.
Next check(const Call &call, Invocation &invocation);

// The door: opens relay windows. Returns the exit code.
int serve(const Call &call, Invocation &invocation);

// Asks at the door for a window; what it answers when it will not is the error.
Status ask_at_door(const std::string &door, const std::string &address,
                   Milliseconds period);

}  // namespace moat::relayctl
