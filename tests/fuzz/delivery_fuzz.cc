// A request or an answer at a door is taken as it was meant, or not at all.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libcommon/queue/delivery.h"
#include "libcommon/smtp/route.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace moat;
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  if (const auto delivery = parse_delivery(text)) {
    const auto again = parse_delivery(delivery_text(*delivery));
    if (!again || *again != *delivery) std::abort();
    if (delivery->maildir.find("/../") != std::string::npos) std::abort();
    for (const char c : delivery->name) {
      if (c == '/' || c == '.') std::abort();
    }
  }
  for (std::size_t count = 1; count < 4; ++count) {
    const auto outcomes = parse_outcomes(text, count);
    if (!outcomes) continue;
    if (parse_outcomes(outcomes_text(*outcomes), count) != outcomes) std::abort();
  }
  if (const auto route = SmtpRoute::parse(text)) {
    const std::string word = route->lmtp ? "lmtp:" : "smtp:";
    const auto again = SmtpRoute::parse(word + route->text());
    if (!again || again->text() != route->text()) std::abort();
  }
  return 0;
}
