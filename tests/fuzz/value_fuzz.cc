// A time, size or rate that was understood reads the same once written out; a
// field of the log, whatever its value, stays one line of visible ASCII.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libcommon/base/log.h"
#include "libcommon/base/value.h"

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace moat;
  const std::string_view text(reinterpret_cast<const char *>(data), size);

  if (const auto time = parse_duration(text)) {
    require(parse_duration(to_text(*time)) == time);
  }
  if (const auto octets = parse_size(text)) {
    require(parse_size(size_text(*octets)) == octets);
  }
  if (const auto rate = parse_rate(text)) {
    const auto again = parse_rate(to_text(*rate));
    require(again && again->count == rate->count && again->period == rate->period);
  }
  for (const char c : field_text({"name", text})) require(c >= ' ' && c <= '~');
  return 0;
}
