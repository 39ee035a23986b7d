#include "libcommon/directory/address.h"

#include <algorithm>

#include "libcommon/base/text.h"

namespace moat {
namespace {

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_high(char c) { return static_cast<unsigned char>(c) > 127; }

// RFC 5322 section 3.2.3, and RFC 6531 for octets over 127.
bool is_atom(char c) {
  return is_letter_or_digit(c) || is_high(c) ||
         std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

bool is_dot_string(std::string_view local) {
  return !local.empty() && local.front() != '.' && local.back() != '.' &&
         local.find("..") == std::string_view::npos &&
         std::all_of(local.begin(), local.end(),
                     [](char c) { return c == '.' || is_atom(c); });
}

// Returns what stands between the quotes, or nullopt when they do not close at
// the end.
std::optional<std::string> unquote(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::nullopt;
  std::string local;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '"') return std::nullopt;
    if (text[i] == '\\' && ++i + 1 == text.size()) return std::nullopt;
    local += text[i];
  }
  return local;
}

}  // namespace

std::string Address::text() const {
  if (is_dot_string(local)) return local + "@" + domain;
  std::string quoted = "\"";
  for (const char c : local) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"@" + domain;
}

bool is_domain_name(std::string_view domain) {
  if (domain.empty() || domain.size() > max_domain) return false;
  if (domain.front() == '.' || domain.back() == '.' || domain.front() == '-')
    return false;
  if (domain.find("..") != std::string_view::npos) return false;
  return std::all_of(domain.begin(), domain.end(), [](char c) {
    return is_letter_or_digit(c) || is_high(c) || c == '-' || c == '.' || c == '_';
  });
}

std::optional<Address> make_address(std::string_view local, std::string_view domain) {
  if (local.empty() || local.size() > max_local) return std::nullopt;
  const auto breaks = [](char c) { return c == '\0' || c == '\r' || c == '\n'; };
  if (std::any_of(local.begin(), local.end(), breaks)) return std::nullopt;
  if (!is_domain_name(domain)) return std::nullopt;
  return Address{to_lower(local), to_lower(domain)};
}

std::optional<Address> parse_address(std::string_view text) {
  const auto at = text.rfind('@');
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view local = text.substr(0, at);
  if (!local.starts_with('"')) {
    if (!is_dot_string(local)) return std::nullopt;
    return make_address(local, text.substr(at + 1));
  }
  const auto plain = unquote(local);
  if (!plain) return std::nullopt;
  return make_address(*plain, text.substr(at + 1));
}

std::string folder_name(std::string_view local) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  std::string name;
  for (const char c : local) {
    const bool plain = is_letter_or_digit(c) || c == '-' || c == '_' || c == '+' ||
                       c == '=' || (c == '.' && !name.empty());
    if (plain) {
      name += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      name += '%';
      name += digits[octet >> 4U];
      name += digits[octet & 15U];
    }
  }
  return name;
}

}  // namespace moat
