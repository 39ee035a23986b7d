// Octets as a descriptor that can be handed on.

#pragma once

#include <string_view>

#include "libcommon/base/fd.h"
#include "libcommon/base/result.h"

namespace moat {

// Returns a memfd that holds the octets, at its start, close-on-exec. Sealed, so
// that who takes it can trust its size. `name` shows in /proc.
Result<Fd> memory_file(const char *name, std::string_view octets);

}  // namespace moat
