// What a queue's exit code says to an SMTP client (interfaces.md, section 4).

#include <algorithm>

#include "libcommon/queue/submit.h"

namespace moat {
namespace {

constexpr std::size_t max_text = 255;

// Whether the text begins with an enhanced status code of this class (RFC 3463
// section 2): "5.7.1 ".
bool has_status(std::string_view text, char status_class) {
  std::string_view code = text.substr(0, text.find(' '));
  if (code.size() < 5 || code.size() == text.size() || code[0] != status_class ||
      code[1] != '.') {
    return false;
  }
  code.remove_prefix(2);
  const auto dot = code.find('.');
  const auto is_number = [](std::string_view part) {
    return !part.empty() && part.size() <= 3 &&
           std::all_of(part.begin(), part.end(),
                       [](char c) { return c >= '0' && c <= '9'; });
  };
  return dot != std::string_view::npos && is_number(code.substr(0, dot)) &&
         is_number(code.substr(dot + 1));
}

std::string clean(std::string_view text) {
  std::string result(text.substr(0, max_text));
  const auto is_odd = [](unsigned char c) { return c < ' ' || c >= 0x7f; };
  while (!result.empty() && (result.back() == '\n' || result.back() == '\r')) {
    result.pop_back();
  }
  std::replace_if(result.begin(), result.end(), is_odd, '?');
  return result;
}

std::string reply_of_text(std::string_view text) {
  const bool permanent = text[0] == 'D';
  const std::string words = clean(text.substr(1));
  const std::string_view status = permanent ? "5.7.1 " : "4.7.1 ";
  std::string reply = permanent ? "554 " : "451 ";
  if (!has_status(words, status[0])) reply += status;
  return reply + words;
}

}  // namespace

std::string queue_reply(const QueueAnswer &answer) {
  switch (answer.code) {
    case queue_ok: return "250 2.0.0 queued";
    case queue_address_too_long:
    case 115: return "554 5.1.3 envelope address too long";
    case queue_refused: return "554 5.7.1 mail server permanently rejected message";
    case queue_no_memory: return "451 4.3.0 out of memory";
    case queue_timeout: return "451 4.3.0 timeout";
    case queue_write_error: return "451 4.3.0 write error or disk full";
    case queue_read_error: return "451 4.3.0 read error";
    case queue_bad_config: return "451 4.3.0 unable to read configuration";
    case queue_network:
    case 57: return "451 4.3.0 network trouble";
    case queue_refused_for_now:
    case 72:
    case 73:
    case 74: return "451 4.7.1 mail server temporarily rejected message";
    case queue_internal: return "451 4.3.0 internal error";
    case queue_cannot_exec: return "451 4.3.0 unable to run the queue program";
    case queue_bad_envelope: return "451 4.3.0 envelope format error";
    case queue_text:
    case queue_text_fd:
      if (answer.text.size() > 1 && (answer.text[0] == 'D' || answer.text[0] == 'Z')) {
        return reply_of_text(answer.text);
      }
      return "451 4.3.0 temporary queue trouble";
    default: break;
  }
  if (answer.code >= queue_trouble && answer.code <= 66) {
    return "451 4.3.0 trouble with the queue directory";
  }
  if (answer.code > queue_address_too_long && answer.code <= 40) {
    return "554 5.3.0 permanent queue trouble";
  }
  return "451 4.3.0 temporary queue trouble";
}

}  // namespace moat
