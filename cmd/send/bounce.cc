#include "cmd/send/bounce.h"

#include <algorithm>

#include "libcommon/base/clock.h"
#include "libcommon/base/text.h"
#include "libcommon/smtp/address.h"
#include "libcommon/smtp/outcome.h"

namespace moat {
namespace {

constexpr std::size_t max_recipients = 1000;
constexpr std::string_view said = " said: ";

// Octets that would end a header field or a line of the report.
std::string one_line(std::string_view text) {
  std::string result(text.substr(0, 1000));
  const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
  std::replace_if(result.begin(), result.end(), is_control, '?');
  return result;
}

std::string mailbox(const std::string &address) {
  const auto at = address.rfind('@');
  if (at == std::string::npos) return one_line(address);
  return one_line(Mailbox{address.substr(0, at), address.substr(at + 1)}.text());
}

// RFC 6533 section 3: beyond ASCII an address is written \x{HEX}.
std::string typed_address(const std::string &address) {
  const std::string text = mailbox(address);
  if (is_ascii(text) || !is_utf8(text)) return "rfc822; " + text;
  std::string result = "utf-8; ";
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      result += text[i++];
      continue;
    }
    std::size_t size = 2;
    if (lead >= 0xe0) size = 3;
    if (lead >= 0xf0) size = 4;
    std::uint32_t code = lead & (0xffU >> (size + 1));
    for (std::size_t k = 1; k < size; ++k) {
      code = (code << 6U) | (static_cast<unsigned char>(text[i + k]) & 0x3fU);
    }
    i += size;
    std::string hex;
    for (unsigned shift = 0; code >> shift != 0; shift += 4) {
      hex.insert(hex.begin(), "0123456789ABCDEF"[(code >> shift) & 15U]);
    }
    result += "\\x{" + hex + "}";
  }
  return result;
}

std::string status_of(std::string_view text) {
  const std::string_view status = take_word(text);
  return is_status(status) ? std::string(status) : "5.0.0";
}

std::string person_part(const Bounce &bounce) {
  std::string text = "This is the mail system at " + bounce.server + ".\n\n";
  text += bounce.sender.empty()
              ? "A report to a sender could not be delivered either, to:\n"
              : "Your message could not be delivered to:\n";
  for (const BounceRecipient &recipient : bounce.recipients) {
    if (&recipient - bounce.recipients.data() >= std::ptrdiff_t{max_recipients}) {
      text += "\nand " + std::to_string(bounce.recipients.size() - max_recipients) +
              " more\n";
      break;
    }
    text += "\n  <" + mailbox(recipient.address) + ">";
    if (!recipient.origin.empty()) text += ", for <" + mailbox(recipient.origin) + ">";
    text += "\n    " + one_line(recipient.text) + "\n";
  }
  return text +
         "\nIt was given up for good: nothing more will be tried. Below is its header.\n";
}

std::string status_part(const Bounce &bounce) {
  std::string text = "Reporting-MTA: dns; " + bounce.server + "\n";
  text += "X-Moat-Queue-ID: " + one_line(bounce.id) + "\n";
  text += "Arrival-Date: " + mail_date(bounce.arrival) + "\n";
  const std::size_t count = std::min(bounce.recipients.size(), max_recipients);
  for (std::size_t i = 0; i < count; ++i) {
    const BounceRecipient &recipient = bounce.recipients[i];
    text += "\n";
    if (!recipient.origin.empty()) {
      text += "Original-Recipient: " + typed_address(recipient.origin) + "\n";
    }
    text += "Final-Recipient: " + typed_address(recipient.address) + "\n";
    text += "Action: failed\nStatus: " + status_of(recipient.text) + "\n";
    const std::string answer = one_line(recipient.text);
    const auto place = answer.find(said);
    text += place == std::string::npos
                ? "Diagnostic-Code: x-moat; " + answer + "\n"
                : "Diagnostic-Code: smtp; " + answer.substr(place + said.size()) + "\n";
    text += "Last-Attempt-Date: " + mail_date(bounce.now) + "\n";
  }
  return text;
}

}  // namespace

std::string bounce_message(const Bounce &bounce) {
  const std::string boundary = "=_" + bounce.boundary;
  const auto part = [&](std::string_view type) {
    return std::string("\n--").append(boundary).append("\nContent-Type: ").append(type) +
           "\n\n";
  };
  std::string text = "Date: " + mail_date(bounce.now) + "\n";
  text += "From: Mail Delivery System <MAILER-DAEMON@" + bounce.server + ">\n";
  text += "To: <" + mailbox(bounce.to) + ">\n";
  text += "Subject: Mail was not delivered\n";
  text += "Message-ID: <" + bounce.boundary + "@" + bounce.server + ">\n";
  text += "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n";
  text += "Content-Type: multipart/report; report-type=delivery-status;\n boundary=\"" +
          boundary + "\"\n";
  text += part("text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit");
  text += person_part(bounce);
  text += part("message/delivery-status");
  text += status_part(bounce);
  text += part("text/rfc822-headers\nContent-Transfer-Encoding: 8bit");
  text += bounce.header;
  return text + "\n--" + boundary + "--\n";
}

std::string header_of(std::string_view message) {
  std::string header;
  while (!message.empty()) {
    const bool whole = message.find('\n') != std::string_view::npos;
    const std::string_view line = take_line(message);
    const bool empty = line.empty() || line == "\r";
    if (empty || !whole || header.size() + line.size() >= max_bounced_header) break;
    header.append(line).append("\n");
  }
  return header;
}

}  // namespace moat
