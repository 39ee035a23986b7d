// The values that options and texts hold: times, sizes, rates.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libcommon/base/clock.h"

namespace moat {

// So many within so long, as "60/60s" has it.
struct Rate {
  std::uint64_t count;
  Milliseconds period;
};

// Each returns nullopt for anything but the whole of such a text.

// Parses "90" or "90s", "500ms", "15m", "4h", "35d". At most ten years.
std::optional<Milliseconds> parse_duration(std::string_view text);

// Parses "4096", "64k", "25M", "1G", in octets; k is 1024.
std::optional<std::uint64_t> parse_size(std::string_view text);

// Parses "COUNT/TIME", both above 0.
std::optional<Rate> parse_rate(std::string_view text);

// Return the shortest of the texts above that says the same.
std::string to_text(Milliseconds duration);
std::string size_text(std::uint64_t octets);
std::string to_text(const Rate &rate);

}  // namespace moat
