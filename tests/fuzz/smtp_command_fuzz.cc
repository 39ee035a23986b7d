// Whatever a line holds, taking it apart ends, and its parts lie within it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libcommon/smtp/command.h"
#include "libcommon/smtp/reply.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace moat;
  const std::string_view line(reinterpret_cast<const char *>(data), size);
  const Command command = parse_command(line);
  if (command.argument.size() > line.size()) std::abort();
  MailArgument mail;
  if (parse_mail(command.argument, {}, mail) == PathError::none &&
      mail.sender.envelope().size() + 2 > max_path) {
    std::abort();
  }
  Mailbox recipient;
  if (parse_rcpt(command.argument, recipient) == PathError::none &&
      recipient.local.empty() && recipient.domain.empty()) {
    std::abort();
  }
  if (parse_bdat(command.argument) && command.argument.empty()) std::abort();

  // A reply made of it is whole lines, none too long, all with the same code.
  const std::string reply = parse_reply(line).render();
  std::string_view rest = reply;
  while (!rest.empty()) {
    const auto end = rest.find("\r\n");
    if (end == rest.npos || end > 510 || rest.substr(0, 3) != reply.substr(0, 3)) {
      std::abort();
    }
    rest.remove_prefix(end + 2);
  }
  return 0;
}
