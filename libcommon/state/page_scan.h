// Reading a store that is too damaged to be opened.

#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "libcommon/base/result.h"

namespace moat {

// Calls with each key and value that lies, whole, in any leaf page of the file,
// reachable or not. That includes what was overwritten or removed long ago and
// the same key in several versions, in no order, and what damage made up: the
// caller's own checksums say what is true. The views live as long as the call.
Status scan_store_pages(
    const std::string &path,
    const std::function<void(std::string_view key, std::string_view value)> &call);

// Returns whether any process has this store open.
Result<bool> is_store_in_use(const std::string &path);

}  // namespace moat
