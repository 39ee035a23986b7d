// Passwords: read from standard input or a terminal, kept as hashes in
// secrets.mdb.

#pragma once

#include <string>

#include "libcommon/base/places.h"
#include "libcommon/base/result.h"
#include "libcommon/directory/records.h"
#include "libcommon/process/invocation.h"

namespace moat {

// Reads a password for the account and returns its hash: with `from_stdin` the
// first line of standard input, else asked for twice at the terminal, without
// echo. No terminal, none given, two that differ: a permanent error.
Result<std::string> hashed_password(const DirectoryEntry &account, bool from_stdin);

// Keep and forget an account's hash.
Status set_password(Invocation &invocation, const Places &places,
                    const std::string &address, const std::string &hash);
Status remove_password(Invocation &invocation, const Places &places,
                       const std::string &address);

}  // namespace moat
