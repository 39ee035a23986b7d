// Taking text apart without copying it, and writing it clean.
//
// Each take_ function cuts what it returns off the front of its argument, so
// a parser is a row of takes and cannot run past the end.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moat {

// Takes one line, and drops its newline. Returns "" at the end.
std::string_view take_line(std::string_view &text);

// Takes one word, and drops the blanks (space, tab, CR) around it. Returns ""
// when only blanks are left.
std::string_view take_word(std::string_view &text);

// Takes what stands before the first `separator`, and drops the separator.
// Returns all of it when there is none.
std::string_view take_until(std::string_view &text, char separator);

// Returns `text` without the blanks (space, tab, CR) at its ends.
std::string_view trim(std::string_view text);

// Returns the decimal number that is the whole of `text`, or nullopt if there
// is anything else in it (a sign, a blank) or it is not within low..high.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t low,
                                          std::uint64_t high);

// Returns `text` with A-Z made a-z, whatever the locale.
std::string to_lower(std::string_view text);

// Returns whether the two are the same but for the case of A-Z.
bool equal_nocase(std::string_view a, std::string_view b);
bool starts_with_nocase(std::string_view text, std::string_view prefix);

// Returns lower-case hexadecimal digits, two for each octet.
std::string to_hex(std::string_view octets);

// Returns the octets of an even number of hexadecimal digits, else nullopt.
std::optional<std::string> from_hex(std::string_view digits);

// Splits a command as the documentation promises: at blanks; '...', "..." and
// \ quote; nothing is expanded. Returns nullopt for an unclosed quote.
std::optional<std::vector<std::string>> split_command(std::string_view text);

}  // namespace moat
