// The words of moat-userctl.

#pragma once

#include <string>
#include <vector>

#include "cmd/userctl/wish.h"
#include "libcommon/base/places.h"
#include "libcommon/process/invocation.h"

namespace moat {

struct Call {
  std::vector<std::string> words;  // "user", "add", "anna@example.test"
  Wish wish;
  bool password_on_stdin = false;
  std::string from;       // import --from
  bool dry_run = false;   // import
  bool watch = false;     // import --from
  bool maildirs = false;  // import: make those that are missing
};

// Returns why the words make no sense, or "".
std::string misuse_of(const Call &call);

// Does what the words say, and returns the exit code, or the reason against it.
Result<int> obey(const Call &call, Invocation &invocation);

}  // namespace moat
