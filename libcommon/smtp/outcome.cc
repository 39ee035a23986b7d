#include "libcommon/smtp/outcome.h"

#include <algorithm>

#include "libcommon/base/text.h"

namespace moat {
namespace {

std::string clean(std::string_view text) {
  std::string result(text.substr(0, max_outcome_text));
  const auto is_odd = [](unsigned char c) { return c < ' ' || c >= 0x7f; };
  std::replace_if(result.begin(), result.end(), is_odd, '?');
  return result;
}

}  // namespace

Outcome Outcome::ok(std::string_view text) { return {delivered, "2.0.0", clean(text)}; }

Outcome Outcome::defer(std::string_view status, std::string_view text) {
  return {deferred, std::string(status), clean(text)};
}

Outcome Outcome::fail(std::string_view status, std::string_view text) {
  return {failed, std::string(status), clean(text)};
}

std::string outcome_line(const Outcome &outcome) {
  return outcome.status + " " + outcome.text;
}

bool is_status(std::string_view text) {
  const std::string_view kind = take_until(text, '.');
  const std::string_view subject = take_until(text, '.');
  return (kind == "2" || kind == "4" || kind == "5") && subject.size() <= 3 &&
         text.size() <= 3 && parse_number(subject, 0, 999) && parse_number(text, 0, 999);
}

}  // namespace moat
