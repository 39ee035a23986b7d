// Addresses as the directory keeps them, and their places on disk.

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace moat {

inline constexpr std::size_t max_local = 64;    // octets, RFC 5321 section 4.5.3.1.1
inline constexpr std::size_t max_domain = 255;  // section 4.5.3.1.2

struct Address {
  std::string local;   // lower case, unquoted; any octets but NUL, CR and LF
  std::string domain;  // lower case

  // Returns LOCAL@DOMAIN, the local part quoted where RFC 5321 wants it.
  std::string text() const;
};

// Makes one of its parts: A-Z become a-z, for mail servers match so, whatever
// RFC 5321 allows. Nullopt: empty, over its bound, or a domain that is no host
// name of letters, digits, hyphens, dots and octets over 127.
std::optional<Address> make_address(std::string_view local, std::string_view domain);

// Parses LOCAL@DOMAIN as people write it: the local part as it is or quoted.
std::optional<Address> parse_address(std::string_view text);

// Whether a domain, in lower case, can be one of ours and part of a path.
bool is_domain_name(std::string_view domain);

// Returns a local part as the name of a folder: letters, digits and "-_+=" as
// they are, '.' too unless it comes first, every other octet as %XX. So no name
// is "." or "..", and none has a slash or a control octet.
std::string folder_name(std::string_view local);

}  // namespace moat
