#include "libcommon/smtp/reply.h"

#include <algorithm>

#include "libcommon/base/text.h"

namespace moat {
namespace {

constexpr std::size_t max_text = 512 - 2 - 4;  // without CRLF, code and blank

bool is_status(std::string_view word) {
  const std::string_view kind = take_until(word, '.');
  const std::string_view subject = take_until(word, '.');
  return (kind == "2" || kind == "4" || kind == "5") && parse_number(subject, 0, 999) &&
         subject.size() <= 3 && parse_number(word, 0, 999) && word.size() <= 3;
}

void append_line(std::string &lines, const Reply &reply, std::string_view line,
                 bool last) {
  std::string text = reply.status;
  if (!text.empty() && !line.empty()) text += ' ';
  text += line;
  text.resize(std::min(text.size(), max_text));
  const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
  std::replace_if(text.begin(), text.end(), is_control, '?');
  lines += std::to_string(reply.code);
  lines += last ? ' ' : '-';
  lines += text;
  lines += "\r\n";
}

}  // namespace

std::string Reply::render() const {
  std::string lines;
  std::string_view rest = text;
  do {
    const std::string_view line = take_line(rest);
    append_line(lines, *this, line, rest.empty());
  } while (!rest.empty());
  return lines;
}

Reply parse_reply(std::string_view text) {
  std::string_view rest = trim(text);
  const auto code = parse_number(take_word(rest), 200, 599);
  if (!code) return {451, "4.3.0", "server trouble, try again later"};
  Reply reply{static_cast<int>(*code), "", ""};
  std::string_view behind = rest;
  const std::string_view word = take_word(behind);
  const std::string kind(1, static_cast<char>('0' + (*code / 100)));
  if (is_status(word) && word[0] == kind[0]) {
    reply.status = word;
    rest = behind;
  } else if (kind != "3") {
    reply.status = kind + ".0.0";
  }
  reply.text = rest;
  return reply;
}

}  // namespace moat
