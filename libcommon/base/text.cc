#include "libcommon/base/text.h"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace moat {
namespace {

constexpr std::string_view blanks = " \t\r";

// Takes the first `size` octets, or all there are.
std::string_view take(std::string_view &text, std::size_t size) {
  const std::string_view front = text.substr(0, size);
  text.remove_prefix(front.size());
  return front;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char l = lower(c);
  return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

}  // namespace

std::string_view take_line(std::string_view &text) { return take_until(text, '\n'); }

std::string_view take_word(std::string_view &text) {
  take(text, text.find_first_not_of(blanks));
  const std::string_view word = take(text, text.find_first_of(blanks));
  take(text, text.find_first_not_of(blanks));
  return word;
}

std::string_view take_until(std::string_view &text, char separator) {
  const std::string_view front = take(text, text.find(separator));
  take(text, 1);
  return front;
}

std::string_view trim(std::string_view text) {
  take(text, text.find_first_not_of(blanks));
  const auto last = text.find_last_not_of(blanks);
  return text.substr(0, last + 1);
}

std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t low,
                                          std::uint64_t high) {
  std::uint64_t number = 0;
  const char *end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  if (number < low || number > high) return std::nullopt;
  return number;
}

std::string to_lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

bool equal_nocase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool starts_with_nocase(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         equal_nocase(text.substr(0, prefix.size()), prefix);
}

std::string to_hex(std::string_view octets) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  hex.reserve(octets.size() * 2);
  for (const char c : octets) {
    const auto octet = static_cast<unsigned char>(c);
    hex += digits[octet >> 4U];
    hex += digits[octet & 15U];
  }
  return hex;
}

std::optional<std::string> from_hex(std::string_view digits) {
  if (digits.size() % 2 != 0) return std::nullopt;
  std::string octets;
  octets.reserve(digits.size() / 2);
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    const int high = hex_digit(digits[i]);
    const int low = hex_digit(digits[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    octets += static_cast<char>(high * 16 + low);
  }
  return octets;
}

std::optional<std::vector<std::string>> split_command(std::string_view text) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = '\0';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == '\0' && (c == ' ' || c == '\t' || c == '\n')) {
      in_word = false;
      continue;
    }
    if (!in_word) words.emplace_back();
    in_word = true;
    if (c == quote) {
      quote = '\0';
    } else if (quote == '\0' && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == '\\' && quote != '\'') {
      if (++i == text.size()) return std::nullopt;
      words.back() += text[i];
    } else {
      words.back() += c;
    }
  }
  if (quote != '\0') return std::nullopt;
  return words;
}

}  // namespace moat
