// Whatever a server says, and in whatever pieces: the client comes to an end,
// each recipient has an outcome, and what it sends stays bounded and clean.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libcommon/smtp/client.h"

namespace {

using namespace moat;

void require(bool good) {
  if (!good) std::abort();
}

void check(const SmtpClient &client) {
  for (const Outcome &outcome : client.outcomes()) {
    require(is_status(outcome.status) && outcome.text.size() <= max_outcome_text);
    for (const char c : outcome.text) require(c >= ' ' && c < 0x7f);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  if (size < 2) return 0;
  // The first octet says how: LMTP, and how large the pieces are.
  const std::size_t piece = 1 + (data[0] >> 1U);
  std::string_view rest(reinterpret_cast<const char *>(data) + 1, size - 1);
  SmtpClient client({.hello = "me", .server = "it", .lmtp = (data[0] & 1U) != 0});
  client.begin({.sender = "s@a",
                .recipients = {"a@b", "c d@e", "\xc3\xa4@f"},
                .size = 100,
                .eight_bit = true,
                .utf8_header = false});
  while (!rest.empty() && client.stage() != SmtpClient::Stage::closed) {
    client.feed(rest.substr(0, piece));
    rest.remove_prefix(std::min(piece, rest.size()));
    require(client.output().size() < 65536);
    if (client.stage() == SmtpClient::Stage::body) client.body_sent();
    if (client.stage() == SmtpClient::Stage::ready && client.finished()) {
      client.begin({.sender = "", .recipients = {"x@y"}});
    }
    check(client);
  }
  client.lost("was closed");
  require(client.finished() && client.stage() == SmtpClient::Stage::closed);
  check(client);
  return 0;
}
