// What moat-queue was told.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcommon/cli/options.h"
#include "libcommon/queue/store.h"

namespace moat {

struct QueueOptions {
  Common common;
  Argv next;                      // with --serve: the filters behind it
  std::string via;                // a door's path
  std::string serve;              // likewise
  std::vector<std::string> from;  // who may call at the door we serve
  QueueSettings queue;
  std::uint64_t max_size = std::uint64_t{100} << 20U;  // of a message, octets
  std::uint64_t max_recipients = 10'000;
  std::uint64_t max_callers = 1'000;     // who have not sent their request yet
  std::uint64_t max_children = 20;       // filter chains at a time
  Milliseconds request_timeout{30'000};  // for a caller to send it
  Milliseconds timeout{300'000};         // for a filter chain
};

// The longest an envelope of so many recipients may be, in octets.
inline std::uint64_t max_envelope(const QueueOptions &options) {
  return (options.max_recipients + 2) * 1024;
}

}  // namespace moat
