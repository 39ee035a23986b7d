// A record that is damaged but has a true sum: parsing it ends, stays within
// bounds, and no name leads out of mess/. The first octet chooses the kind.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libcommon/crypto/crypto.h"
#include "libcommon/queue/envelope.h"
#include "libcommon/queue/queue_record.h"

namespace {

using namespace moat;

std::string with_sum(const std::string &key, std::string_view body) {
  const std::uint64_t sum = checksum64(body, checksum64(key));
  return std::string(body).append(reinterpret_cast<const char *>(&sum), sizeof sum);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  parse_message_key(text);
  parse_recipient_key(text);
  parse_due_key(text);
  QueueId::parse(text);
  if (text.empty()) return 0;
  const char kind = text[0];
  text.remove_prefix(1);
  if (kind == 'm') {
    const std::string key = message_key({7});
    const auto record = read_message(key, with_sum(key, text));
    if (!record) return 0;
    if (record->message.file.find_first_of("/.") != std::string::npos) std::abort();
    if (record->message.sender.size() > max_queue_address) std::abort();
  } else if (kind == 'r') {
    const std::string key = recipient_key({7}, 1);
    const auto recipient = read_recipient(key, with_sum(key, text));
    if (!recipient) return 0;
    if (recipient->text.size() > max_recipient_text) std::abort();
    const auto again = read_recipient(key, write_recipient({7}, *recipient));
    if (!again || again->address != recipient->address) std::abort();
  } else {
    const auto head = read_head(with_sum("q", text));
    if (!head && head.error().cause != Cause::damaged &&
        head.error().cause != Cause::newer) {
      std::abort();
    }
  }
  return 0;
}
