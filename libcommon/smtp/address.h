// Addresses of the envelope: the paths of MAIL and RCPT, and the name in HELO
// (RFC 5321 sections 4.1.2 and 4.1.3, RFC 6531).

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace moat {

inline constexpr std::size_t max_local_part = 64;    // octets, RFC 5321 4.5.3.1.1
inline constexpr std::size_t max_domain_name = 255;  // 4.5.3.1.2
inline constexpr std::size_t max_path = 256;         // 4.5.3.1.3, with its "<" and ">"

struct Mailbox {
  std::string local;   // without quotes and backslashes; no control octets
  std::string domain;  // as written; "[192.0.2.1]" for a literal; empty for <postmaster>

  // Returns LOCAL@DOMAIN with the local part quoted where it has to be, for
  // replies and the log.
  std::string text() const;

  // Returns it as the envelope of the qmail-queue interface has it: nothing is
  // quoted and the last '@' is the one that counts.
  std::string envelope() const;

  friend bool operator==(const Mailbox &, const Mailbox &) = default;
};

// Parses a mailbox: dot-string or quoted string, '@', domain or address literal.
// `max_local` bounds the local part, max_path less its brackets all of it. Octets above
// 0x7f must be UTF-8 and are accepted; whether they may be used is for the caller (see
// is_ascii). Returns nullopt for anything else, comments and other blanks included.
std::optional<Mailbox> parse_mailbox(std::string_view text,
                                     std::size_t max_local = max_local_part);

// Takes a path off the front of a command's argument: "<...>" with an optional
// source route, which is checked and dropped, or for clients that know no better
// a mailbox up to the next blank. <> is an empty mailbox, <postmaster> in any
// case has no domain. Returns nullopt when it is none, or longer than max_path.
std::optional<Mailbox> take_path(std::string_view &argument,
                                 std::size_t max_local = max_local_part);

// Returns whether `text` is a domain: labels of 1 to 63 letters, digits, hyphens
// and underscores (which RFC 5321 forbids and real hosts have) or UTF-8, no
// hyphen at either end of a label, no dot at the end.
bool is_domain(std::string_view text);

// Returns whether `text` is "[192.0.2.1]" or "[IPv6:2001:db8::1]".
bool is_address_literal(std::string_view text);

// Returns whether a client may call itself so in HELO or EHLO: a domain, a
// literal, or a bare address.
bool is_helo_name(std::string_view text);

bool is_ascii(std::string_view text);
bool is_utf8(std::string_view text);

}  // namespace moat
