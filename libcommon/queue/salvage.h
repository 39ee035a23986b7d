// Saving what is whole in a damaged queue.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "libcommon/base/clock.h"
#include "libcommon/base/result.h"
#include "libcommon/queue/store.h"

namespace moat {

struct Salvaged {
  std::uint64_t messages = 0;  // saved
  std::uint64_t held = 0;      // of them: found only in pages that are out of use
  std::uint64_t lost = 0;      // seen, but not whole
  std::string kept_as;         // the damaged file's new name
};

// Makes a new queue.mdb of all messages that are whole in the old one, puts it
// in the old one's place by rename, and keeps the old one beside it. What can
// still be reached goes over as it is. Where damage cut something off, the pages
// are searched: they also hold what was finished long ago, so messages found
// only there are held, for the administrator to release or remove. Calls with a
// line on each message that is lost or held.
//
// While any process has the queue open it is a temporary error, Cause::busy.
Result<Salvaged> salvage_queue(const QueueSettings &settings, const Clock &clock,
                               const std::function<void(const std::string &)> &tell);

}  // namespace moat
