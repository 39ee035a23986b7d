// The texts that send reads: routes, member files, and the messages that it
// quotes in reports, in which nothing may look like a part of ours.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "cmd/local/maildir.h"
#include "cmd/send/bounce.h"
#include "cmd/send/expand.h"
#include "cmd/send/routes.h"

namespace {

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; ++at) {
    ++found;
  }
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace moat;
  const std::string text(reinterpret_cast<const char *>(data), size);
  if (const auto routes = Routes::parse(text)) {
    static_cast<void>(routes->find("example.test"));
  } else if (routes.error().temporary) {
    std::abort();
  }
  for (const std::string &address : parse_members(text).addresses) {
    if (address.find('\n') != std::string::npos) std::abort();
    if (address.find('@') == std::string::npos) std::abort();
  }
  LoopCheck loop("a@b.test");
  for (const char c : text) loop.feed({&c, 1});
  LoopCheck whole("a@b.test");
  whole.feed(text);
  if (loop.found() != whole.found()) std::abort();

  const std::string report = bounce_message({.server = "mx.test",
                                             .sender = text,
                                             .id = text,
                                             .to = text,
                                             .boundary = "0123456789abcdef",
                                             .arrival = 0,
                                             .now = 0,
                                             .recipients = {{text, text, text}},
                                             .header = ""});
  if (count(report, "\n--=_0123456789abcdef") != 4) std::abort();
  if (count(report, "\nFinal-Recipient: ") != 1) std::abort();
  if (header_of(text).size() > max_bounced_header) std::abort();
  return 0;
}
