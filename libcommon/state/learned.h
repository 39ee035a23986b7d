// Learned state: what may be lost after a power failure, but never be corrupt.
// Commits are not synced; a snapshot is taken now and then; the file carries
// the boot that last wrote to it.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libcommon/base/result.h"
#include "libcommon/process/invocation.h"
#include "libcommon/state/store.h"

namespace moat {

// The key of the mark that says whose file it is; before all that is learned.
inline constexpr std::string_view boot_mark_key = "!boot";

// What opening had to do.
struct Recovery {
  enum class What {
    none,      // somebody opened it since this boot
    clean,     // the last boot ended with mark_clean
    snapshot,  // it did not: the snapshot took the file's place
    empty,     // nor was there a snapshot that is whole
  };
  What what = What::none;
  std::int64_t snapshot_time = 0;  // wall seconds
};

// Sees to it that a file of learned state is one that this boot can trust, and
// marks it as this boot's. To be done by each program before it opens the file;
// all but the first of a boot find nothing to do. Waits for the writer's lock
// until the deadline.
Result<Recovery> recover_learned(const std::string &path, Deadline deadline);

// Copies the state to FILE.snapshot, synced.
Status take_snapshot(Store &store);

// Says at the end of a boot, synced, that the file is whole: true until the next
// commit. Leaves the store synced.
Status mark_clean(Store &store, Deadline deadline);

std::string snapshot_of(const std::string &path);

}  // namespace moat
