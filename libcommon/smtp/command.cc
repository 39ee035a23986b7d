#include "libcommon/smtp/command.h"

#include <algorithm>
#include <array>
#include <utility>

#include "libcommon/base/text.h"

namespace moat {
namespace {

constexpr std::uint64_t max_said_size = INT64_MAX;

struct VerbName {
  std::string_view name;
  Verb verb;
};

constexpr std::array<VerbName, 29> verbs{{
    {"MAIL", Verb::mail},     {"RCPT", Verb::rcpt},       {"EHLO", Verb::ehlo},
    {"QUIT", Verb::quit},     {"DATA", Verb::data},       {"RSET", Verb::rset},
    {"HELO", Verb::helo},     {"BDAT", Verb::bdat},       {"NOOP", Verb::noop},
    {"VRFY", Verb::vrfy},     {"HELP", Verb::help},       {"EXPN", Verb::known},
    {"ETRN", Verb::known},    {"TURN", Verb::known},      {"SEND", Verb::known},
    {"SOML", Verb::known},    {"SAML", Verb::known},      {"ATRN", Verb::known},
    {"AUTH", Verb::known},    {"STARTTLS", Verb::known},  {"GET", Verb::foreign},
    {"POST", Verb::foreign},  {"CONNECT", Verb::foreign}, {"HEAD", Verb::foreign},
    {"PUT", Verb::foreign},   {"OPTIONS", Verb::foreign}, {"DELETE", Verb::foreign},
    {"PATCH", Verb::foreign}, {"TRACE", Verb::foreign},
}};

// Words by which other protocols begin, and the lines of a request that a form
// in a web page can make a browser send here.
bool is_foreign(std::string_view line) {
  static constexpr std::array<std::string_view, 7> prefixes{
      "SSH-", "Host:", "User-Agent:", "Content-", "Referer:", "Origin:", "PRI * HTTP/"};
  return std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view prefix) {
    return starts_with_nocase(line, prefix);
  });
}

// Takes "FROM:" and the path behind it.
PathError take_prefix_and_path(std::string_view &argument, std::string_view prefix,
                               std::size_t max_local, Mailbox &mailbox) {
  if (!starts_with_nocase(argument, prefix)) return PathError::prefix;
  argument.remove_prefix(prefix.size());
  argument = trim(argument);
  auto path = take_path(argument, max_local);
  if (!path) return PathError::address;
  mailbox = std::move(*path);
  return PathError::none;
}

// Sets one parameter of MAIL. Each may come once.
PathError set_parameter(std::string_view word, const MailExtensions &offered,
                        MailArgument &mail, unsigned &seen) {
  std::string_view value = word;
  const std::string_view keyword = take_until(value, '=');
  const bool valued = keyword.size() != word.size();
  const auto once = [&seen](unsigned bit) {
    return (std::exchange(seen, seen | bit) & bit) == 0;
  };
  if (offered.size && equal_nocase(keyword, "SIZE")) {
    const auto size = parse_number(value, 0, max_said_size);
    if (!size || value.size() > 20 || !once(1)) return PathError::parameter;
    mail.size = *size;
    return PathError::none;
  }
  if (offered.eight_bit && equal_nocase(keyword, "BODY")) {
    mail.eight_bit = equal_nocase(value, "8BITMIME");
    const bool good = mail.eight_bit || equal_nocase(value, "7BIT");
    return good && once(2) ? PathError::none : PathError::parameter;
  }
  if (offered.utf8 && equal_nocase(keyword, "SMTPUTF8")) {
    mail.utf8 = true;
    return !valued && once(4) ? PathError::none : PathError::parameter;
  }
  return PathError::unknown;
}

}  // namespace

Command parse_command(std::string_view line) {
  if (is_foreign(line)) return {Verb::foreign, {}};
  std::string_view rest = line;
  const std::string_view word = take_until(rest, ' ');
  rest = trim(rest);
  for (const VerbName &row : verbs) {
    if (equal_nocase(trim(word), row.name)) return {row.verb, rest};
  }
  return {Verb::unknown, rest};
}

bool is_foreign_start(char first) {
  const auto octet = static_cast<unsigned char>(first);
  return octet < ' ' && first != '\r' && first != '\n' && first != '\t';
}

PathError parse_mail(std::string_view argument, const MailExtensions &offered,
                     MailArgument &mail) {
  const auto error = take_prefix_and_path(argument, "FROM:", max_path, mail.sender);
  if (error != PathError::none) return error;
  // Only a recipient may be without a domain.
  if (mail.sender.domain.empty() && !mail.sender.local.empty()) return PathError::address;
  unsigned seen = 0;
  while (!(argument = trim(argument)).empty()) {
    const auto bad = set_parameter(take_word(argument), offered, mail, seen);
    if (bad != PathError::none) return bad;
  }
  return PathError::none;
}

PathError parse_rcpt(std::string_view argument, Mailbox &recipient) {
  const auto error = take_prefix_and_path(argument, "TO:", max_local_part, recipient);
  if (error != PathError::none) return error;
  if (recipient == Mailbox{}) return PathError::address;
  return trim(argument).empty() ? PathError::none : PathError::unknown;
}

std::optional<Chunk> parse_bdat(std::string_view argument) {
  const auto size = parse_number(take_word(argument), 0, max_said_size);
  const std::string_view last = take_word(argument);
  if (!size || !argument.empty()) return std::nullopt;
  if (!last.empty() && !equal_nocase(last, "LAST")) return std::nullopt;
  return Chunk{*size, !last.empty()};
}

}  // namespace moat
