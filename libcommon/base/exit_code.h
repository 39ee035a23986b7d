// Exit codes, beside those that a seam fixes (interfaces.md, section 1).

#pragma once

namespace moat {

enum ExitCode : int {
  exit_ok = 0,
  exit_found = 1,        // a check in the shell found something against the client
  exit_permanent = 100,  // called wrongly: the same call will fail again
  exit_temporary = 111,  // something is missing, full or slow: try later
};

}  // namespace moat
