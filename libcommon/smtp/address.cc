#include "libcommon/smtp/address.h"

#include <algorithm>

#include "libcommon/base/text.h"
#include "libcommon/net/ip_address.h"

namespace moat {
namespace {

constexpr std::size_t max_label = 63;
constexpr std::string_view atom_specials = "!#$%&'*+-/=?^_`{|}~";

bool is_high(char c) { return static_cast<unsigned char>(c) >= 0x80; }

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_atext(char c) {
  return is_alnum(c) || is_high(c) || atom_specials.find(c) != std::string_view::npos;
}

bool is_printable(char c) { return c >= ' ' && c <= '~'; }

bool is_dot_string(std::string_view text) {
  bool atom = false;
  for (const char c : text) {
    if (c == '.' && !atom) return false;
    if (c != '.' && !is_atext(c)) return false;
    atom = c != '.';
  }
  return atom;
}

// Takes a quoted string and returns what it stands for.
std::optional<std::string> take_quoted(std::string_view &text) {
  std::string local;
  for (std::size_t i = 1; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"') {
      text.remove_prefix(i + 1);
      return local;
    }
    if (c == '\\') {
      if (++i == text.size()) return std::nullopt;
      c = text[i];
      if (is_high(c)) return std::nullopt;
    }
    if (!is_printable(c) && !is_high(c)) return std::nullopt;
    local += c;
  }
  return std::nullopt;
}

// Takes the local part: what stands before the '@', which stays.
std::optional<std::string> take_local(std::string_view &text) {
  if (text.starts_with('"')) return take_quoted(text);
  std::size_t size = 0;
  while (size < text.size() && (text[size] == '.' || is_atext(text[size]))) ++size;
  if (!is_dot_string(text.substr(0, size))) return std::nullopt;
  std::string local(text.substr(0, size));
  text.remove_prefix(size);
  return local;
}

// Takes "@ONE,@TWO:" where there is one. The domains must be domains, and do
// not matter otherwise.
bool take_route(std::string_view &text) {
  if (!text.starts_with('@')) return true;
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  std::string_view route = text.substr(0, colon);
  // The colons of an IPv6 literal are not the end of the route.
  if (route.find('[') != std::string_view::npos) return false;
  text.remove_prefix(colon + 1);
  while (!route.empty()) {
    std::string_view hop = take_until(route, ',');
    if (!hop.starts_with('@')) return false;
    hop.remove_prefix(1);
    if (!is_domain(hop)) return false;
  }
  return true;
}

// Returns the size of "<...>" at the front, quoted strings respected; 0 if none.
std::size_t bracketed_size(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[i] == '>') {
      return i + 1;
    }
  }
  return 0;
}

// Returns how many octets the UTF-8 sequence at the front has; 0 if it is wrong.
std::size_t utf8_size(std::string_view text) {
  const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = octet(0);
  if (lead < 0x80) return 1;
  std::size_t size = 2;
  if (lead >= 0xe0) size = 3;
  if (lead >= 0xf0) size = 4;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((octet(i) & 0xc0U) != 0x80) return 0;
  }
  const unsigned next = octet(1);  // no overlong forms, no surrogates
  if ((lead == 0xe0 && next < 0xa0) || (lead == 0xed && next >= 0xa0)) return 0;
  if ((lead == 0xf0 && next < 0x90) || (lead == 0xf4 && next >= 0x90)) return 0;
  return size;
}

}  // namespace

std::string Mailbox::text() const {
  std::string result;
  if (is_dot_string(local) || (local.empty() && domain.empty())) {
    result = local;
  } else {
    result = '"';
    for (const char c : local) {
      if (c == '"' || c == '\\') result += '\\';
      result += c;
    }
    result += '"';
  }
  if (!domain.empty()) result.append("@").append(domain);
  return result;
}

std::string Mailbox::envelope() const {
  return domain.empty() ? local : local + "@" + domain;
}

std::optional<Mailbox> parse_mailbox(std::string_view text, std::size_t max_local) {
  if (text.size() + 2 > max_path || !is_utf8(text)) return std::nullopt;
  const std::size_t whole = text.size();
  auto local = take_local(text);
  // Quotes and backslashes count: 4.5.3.1.1 bounds what is written.
  if (!local || whole - text.size() > max_local) return std::nullopt;
  if (!text.starts_with('@')) return std::nullopt;
  text.remove_prefix(1);
  if (!is_domain(text) && !is_address_literal(text)) return std::nullopt;
  return Mailbox{std::move(*local), std::string(text)};
}

std::optional<Mailbox> take_path(std::string_view &argument, std::size_t max_local) {
  if (!argument.starts_with('<')) {
    const std::string_view word = argument.substr(0, argument.find(' '));
    auto mailbox = parse_mailbox(word, max_local);
    if (mailbox) argument.remove_prefix(word.size());
    return mailbox;
  }
  const std::size_t size = bracketed_size(argument);
  if (size == 0) return std::nullopt;
  std::string_view inner = argument.substr(1, size - 2);
  argument.remove_prefix(size);
  if (!argument.empty() && argument[0] != ' ') return std::nullopt;
  if (inner.empty()) return Mailbox{};
  if (!take_route(inner)) return std::nullopt;
  if (equal_nocase(inner, "postmaster")) return Mailbox{to_lower(inner), ""};
  return parse_mailbox(inner, max_local);
}

bool is_domain(std::string_view text) {
  if (text.empty() || text.size() > max_domain_name || text.back() == '.') return false;
  if (!is_utf8(text)) return false;
  const auto fits = [](char c) {
    return is_alnum(c) || is_high(c) || c == '-' || c == '_';
  };
  while (!text.empty()) {
    const std::string_view label = take_until(text, '.');
    if (label.empty() || label.size() > max_label) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    if (!std::all_of(label.begin(), label.end(), fits)) return false;
  }
  return true;
}

bool is_address_literal(std::string_view text) {
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') return false;
  const std::string_view inner = text.substr(1, text.size() - 2);
  const bool six = starts_with_nocase(inner, "IPv6:");
  const std::string_view address = inner.substr(six ? 5 : 0);
  return IpAddress::parse(address) && six == (address.find(':') != std::string::npos);
}

bool is_helo_name(std::string_view text) {
  return is_domain(text) || is_address_literal(text) ||
         IpAddress::parse(text).has_value();
}

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), is_high);
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = utf8_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

}  // namespace moat
