// What is accepted as an address is written so that it reads the same again, and
// holds nothing that could end a line, an envelope's entry or a log field.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libcommon/smtp/address.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace moat;
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  const auto mailbox = parse_mailbox(text);
  if (mailbox) {
    if (parse_mailbox(mailbox->text(), max_path) != mailbox) std::abort();
    for (const char c : mailbox->envelope()) {
      const auto octet = static_cast<unsigned char>(c);
      if (octet < ' ' || octet == 0x7f) std::abort();
    }
  }
  std::string_view argument = text;
  const auto path = take_path(argument);
  if (path && argument.size() >= text.size()) std::abort();
  if (is_helo_name(text) && text.find_first_of("\r\n ()<>\"\\") != text.npos)
    std::abort();
  return 0;
}
