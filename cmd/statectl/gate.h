// The folders and files of a gate, with their owners and modes.

#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/places.h"
#include "libcommon/base/result.h"
#include "libcommon/process/invocation.h"

namespace moat {

inline constexpr uid_t keep_owner = static_cast<uid_t>(-1);  // as chown(2) has it

// Who owns what. A role's name is its user's, unless said otherwise.
class Owners {
 public:
  // All of it belongs to whoever runs the program.
  static Owners only_me() { return Owners(); }

  // Each role has its user and group. `renamed` holds "ROLE=NAME". A user that
  // is missing, or a role that is none, is a permanent error.
  static Result<Owners> of_roles(const std::vector<std::string> &renamed);

  uid_t uid(std::string_view role) const;
  gid_t gid(std::string_view role) const;
  bool by_role() const { return !ids_.empty(); }

 private:
  struct Ids {
    uid_t uid;
    gid_t gid;
  };
  std::map<std::string, Ids, std::less<>> ids_;
};

// A store of the gate.
struct GateFile {
  std::string path;
  std::string_view owner;  // roles
  std::string_view group;
  mode_t mode;
  bool synced;
};

// control, relay, secrets, state, tokens: all but the queue's.
std::vector<GateFile> gate_files(const Places &places);

// Makes what is missing and gives everything its owner and mode. What is there
// keeps what it holds. Publishes both masters.
Status make_gate(Invocation &invocation, const Places &places, const Owners &owners);

}  // namespace moat
