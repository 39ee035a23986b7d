// A header read whole and read an octet at a time is the same header, within its
// bound, and takes no octet that is not its own.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libcommon/net/proxy_header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace moat;
  const std::string_view octets(reinterpret_cast<const char *>(data), size);
  ProxyParser whole;
  const std::size_t used = whole.feed(octets);
  if (used > ProxyParser::max_size || used > size) std::abort();
  if (whole.state() == ProxyParser::State::more && used != size) std::abort();

  ProxyParser pieces;
  std::size_t count = 0;
  while (count < size && pieces.state() == ProxyParser::State::more) {
    const std::size_t one = pieces.feed(octets.substr(count, 1));
    if (one == 0) break;
    ++count;
  }
  if (pieces.state() != whole.state()) std::abort();
  if (whole.state() != ProxyParser::State::complete) return 0;
  if (count != used) std::abort();
  const auto &a = whole.header();
  const auto &b = pieces.header();
  if (a.local != b.local || a.source != b.source || a.protocol != b.protocol)
    std::abort();
  return 0;
}
