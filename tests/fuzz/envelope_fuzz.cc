// However an envelope comes in pieces, it says the same; and what was read is
// written back octet for octet.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libcommon/queue/envelope.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace moat;
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  EnvelopeReader whole(100);
  const auto state = whole.take(text);
  EnvelopeReader pieces(100);
  for (const char &octet : text) pieces.take({&octet, 1});
  if (whole.code() != pieces.code()) std::abort();
  if ((state == EnvelopeReader::State::complete) != (whole.code() == queue_ok)) {
    std::abort();
  }
  const auto parsed = parse_envelope(text, 100);
  if (parsed.has_value() != (whole.code() == queue_ok && whole.used_all())) std::abort();
  if (parsed && envelope_text(*parsed) != text) std::abort();
  return 0;
}
