// How moat-queuectl writes.

#pragma once

#include <string>
#include <string_view>

#include "libcommon/queue/store.h"

namespace moat {

// Returns "2026-11-21T22:30:00Z".
std::string time_text(std::int64_t wall_seconds);

// Returns the text with octets that a terminal might obey as '?', newlines and
// tabs too unless `keep_lines`.
std::string printable(std::string_view text, bool keep_lines = false);

// Returns a line on a message and one on each recipient, as list has them.
std::string list_text(const QueuedMessage &message);

// Returns what show prints before the octets: lines, and an empty one.
std::string show_text(const QueuedMessage &message);

// Returns a NAME=VALUE a line.
std::string stats_text(const QueueStats &stats);

}  // namespace moat
