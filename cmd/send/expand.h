// What aliases and lists stand for.

#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/result.h"
#include "libcommon/directory/directory.h"

namespace moat {

inline constexpr std::size_t max_expansion = 100000;  // addresses
inline constexpr unsigned max_nesting = 20;           // aliases in aliases
inline constexpr std::size_t max_member_file = std::size_t{8} << 20U;  // octets

struct Members {
  std::vector<std::string> addresses;
  std::size_t bad_lines = 0;  // left out
};

// Parses a list's member file: an address a line, in angle brackets or behind
// '&' if need be; '#' begins a comment line.
Members parse_members(std::string_view text);

// Whom to ask.
struct Lookups {
  std::function<Result<Recipient>(std::string_view address)> find;
  std::function<Result<std::string>(const std::string &path)> read;  // a member file
};

// Addresses that go out under one envelope sender.
struct ExpandedGroup {
  std::string sender;
  std::vector<std::string> recipients;
};

struct Expansion {
  std::vector<std::string> recipients;  // of the same message: what aliases stand for
  std::vector<ExpandedGroup> lists;     // each a message of its own
  std::size_t bad_lines = 0;            // of member files
};

// Expands an alias or list, and what it leads to, down to addresses that are
// neither; each address once, so that loops end. A list's members get their mail
// from LIST-owner where the directory has that very address and the sender is
// not null, else from `sender`. A list behind it whose file cannot be read stays
// as it is, to be tried by itself.
//
// Temporary error: the directory or the file of `recipient` itself cannot be
// read, or a bound is reached. Permanent error: nobody is left, as when aliases
// lead in a circle; but a list may be empty.
Result<Expansion> expand(const Recipient &recipient, std::string_view address,
                         std::string_view sender, const Lookups &lookups);

// Returns the address with its domain in lower case: what is compared.
std::string same_address(std::string_view address);

}  // namespace moat
