// A header is the same however it is cut into pieces, and ends before the first
// empty line.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libcommon/message/header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace moat;
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  HeaderScan whole;
  const std::size_t end = whole.feed(text);
  HeaderScan cut;
  std::size_t total = 0;
  for (std::size_t i = 0; i < size && !cut.ended(); ++i)
    total += cut.feed(text.substr(i, 1));
  if (total != end || whole.ended() != cut.ended()) std::abort();
  if (whole.received() != cut.received()) std::abort();
  if (whole.delivered_to() != cut.delivered_to()) std::abort();
  if (whole.ended() && (text[end] != '\n' || (end > 0 && text[end - 1] != '\n'))) {
    std::abort();
  }
  TraceFacts facts;
  facts.helo = text;
  facts.name = text;
  facts.session = text;
  const std::string field = received_field(facts, 0);
  if (std::count(field.begin(), field.end(), '\n') != 2 || !field.ends_with("\n")) {
    std::abort();
  }
  return 0;
}
