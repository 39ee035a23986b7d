#include "cmd/queuectl/text.h"

#include <algorithm>
#include <array>
#include <ctime>

namespace moat {
namespace {

std::string_view state_name(const QueueRecipient &recipient) {
  switch (recipient.state) {
    case RecipientState::pending:
      if (recipient.held) return "held";
      return recipient.attempts > 0 ? "deferred" : "pending";
    case RecipientState::delivered: return "delivered";
    case RecipientState::failed: return "failed";
    case RecipientState::replaced: return "replaced";
  }
  return "unknown";
}

std::string recipient_text(const QueueRecipient &recipient) {
  std::string line = "  " + std::string(state_name(recipient)) + " <" +
                     printable(recipient.address) + ">";
  if (!recipient.origin.empty()) line += " for=<" + printable(recipient.origin) + ">";
  if (recipient.attempts > 0) line += " attempts=" + std::to_string(recipient.attempts);
  if (recipient.state == RecipientState::pending && !recipient.held)
    line += " next=" + time_text(recipient.due);
  if (!recipient.text.empty()) line += " last=\"" + printable(recipient.text) + "\"";
  return line + "\n";
}

}  // namespace

std::string time_text(std::int64_t wall_seconds) {
  const std::time_t seconds = wall_seconds;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

std::string printable(std::string_view text, bool keep_lines) {
  std::string result(text);
  const auto is_odd = [keep_lines](unsigned char c) {
    if (keep_lines && (c == '\n' || c == '\t')) return false;
    return c < ' ' || (c >= 0x7f && c < 0xa0);
  };
  std::replace_if(result.begin(), result.end(), is_odd, '?');
  return result;
}

std::string list_text(const QueuedMessage &message) {
  std::string text = message.id.text() + " " + time_text(message.time) + " " +
                     std::to_string(message.size) + " <" + printable(message.sender) +
                     ">\n";
  for (const QueueRecipient &recipient : message.recipients) {
    text += recipient_text(recipient);
  }
  return text;
}

std::string show_text(const QueuedMessage &message) {
  std::string text = "id=" + message.id.text() + "\ntime=" + time_text(message.time) +
                     "\nbytes=" + std::to_string(message.size) + "\nsender=<" +
                     printable(message.sender) + ">\n";
  if (!message.file.empty()) text += "file=mess/" + message.file + "\n";
  message.session.each("", [&](std::string_view name, std::string_view value) {
    text += std::string(name) + "=" + printable(value) + "\n";
  });
  for (const QueueRecipient &recipient : message.recipients) {
    text += recipient_text(recipient);
  }
  return text + "\n";
}

std::string stats_text(const QueueStats &stats) {
  std::string text;
  const auto add = [&](std::string_view name, std::uint64_t value) {
    text.append(name).append("=").append(std::to_string(value)) += '\n';
  };
  add("messages", stats.messages);
  add("bytes", stats.octets);
  add("pending", stats.pending);
  add("held", stats.held);
  add("deferred", stats.deferred);
  add("finished", stats.finished);
  add("damaged", stats.damaged);
  text += "oldest=" + (stats.oldest == 0 ? "none" : time_text(stats.oldest)) + "\n";
  return text;
}

}  // namespace moat
