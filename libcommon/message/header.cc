#include "libcommon/message/header.h"

#include <algorithm>

#include "libcommon/base/clock.h"
#include "libcommon/base/text.h"

namespace moat {
namespace {

// A word from outside in a structured field: nothing in it may have a meaning.
std::string clean(std::string_view text) {
  std::string result(text);
  const auto is_special = [](unsigned char c) {
    return c <= ' ' || c == 0x7f || c == '(' || c == ')' || c == '\\' || c == '"' ||
           c == ';';
  };
  std::replace_if(result.begin(), result.end(), is_special, '?');
  return result;
}

}  // namespace

std::size_t HeaderScan::feed(std::string_view octets) {
  for (std::size_t i = 0; i < octets.size() && !ended_;) {
    const char c = octets[i];
    if (at_start_ && c == '\n') {
      ended_ = true;
      return i;
    }
    if (at_start_) {
      name_.clear();
      in_name_ = c != ' ' && c != '\t';  // else the field goes on
      at_start_ = false;
    }
    if (!in_name_) {
      const auto newline = octets.find('\n', i);
      at_start_ = newline != std::string_view::npos;
      i = at_start_ ? newline + 1 : octets.size();
      continue;
    }
    ++i;
    if (c == '\n') {
      at_start_ = true;
    } else if (c == ':') {
      name_done();
      in_name_ = false;
    } else if (name_.size() >= max_name) {
      in_name_ = false;
    } else {
      name_ += c;
    }
  }
  return octets.size();
}

// RFC 5322 section 4.5 lets blanks stand before the colon.
void HeaderScan::name_done() {
  const std::string_view name = trim(name_);
  if (equal_nocase(name, "Received")) ++received_;
  if (equal_nocase(name, "Delivered-To")) ++delivered_to_;
  if (equal_nocase(name, "Date")) has_date_ = true;
  if (equal_nocase(name, "Message-ID")) has_message_id_ = true;
  if (equal_nocase(name, "From")) has_from_ = true;
}

std::string received_field(const TraceFacts &facts, std::int64_t wall_seconds) {
  const std::string name = facts.name.empty() ? "unknown" : clean(facts.name);
  const std::string address = facts.address ? facts.address->literal() : "[unknown]";
  std::string_view with = facts.esmtp ? "ESMTP" : "SMTP";
  if (facts.utf8) with = "UTF8SMTP";
  std::string field = "Received: from " + clean(facts.helo);
  field.append(" (").append(name).append(" ").append(address).append(")");
  field.append(" by ").append(facts.me).append(" with ").append(with).append("\n");
  field.append("  id ").append(clean(facts.session)).append("; ");
  return field.append(mail_date(wall_seconds)).append("\n");
}

}  // namespace moat
