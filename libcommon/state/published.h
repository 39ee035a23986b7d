// Publishing: a master's entries as a file that anybody may look into without
// locks, and whose answers, "no" included, are proven entry by entry.
//
// Each published entry holds the key that follows its own, under a checksum.
// That a key is absent is shown by the entry before it, whose next key lies
// beyond: a damaged page can neither make up an entry nor hide one.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libcommon/base/result.h"
#include "libcommon/state/store.h"

namespace moat {

// Copies all of the master's entries into a new file beside `path`, syncs it,
// gives it this mode, and renames it to `path`. `seal` names what is in it and
// its format ("control 1"); readers ask for the same. Takes the writer's lock
// until the deadline, so that an older copy never replaces a newer one.
Status publish(Store &master, const std::string &path, std::string_view seal, mode_t mode,
               Deadline deadline);

// Checks the head of a published file: Cause::damaged where there is none,
// Cause::newer where it is sealed with another format.
Status check_seal(Reader &published, std::string_view seal);

// Looks a key up and proves the answer, or fails with Cause::damaged. The view
// lives as long as the reader.
Result<std::optional<std::string_view>> find_published(Reader &published,
                                                       std::string_view key);

// Calls with each entry whose key begins with `prefix`, proving that none is
// missing, until one returns false.
Status each_published(Reader &published, std::string_view prefix,
                      const std::function<bool(const Entry &)> &call);

}  // namespace moat
