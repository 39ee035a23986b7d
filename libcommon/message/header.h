// The header of a message while it comes in, and the fields that we add.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libcommon/net/ip_address.h"

namespace moat {

// Reads a header as it comes, in pieces of any size, and remembers what matters.
class HeaderScan {
 public:
  // Takes octets (lines end in LF) and returns how many of them belong to the
  // header: all, or what stands before the empty line that ends it.
  std::size_t feed(std::string_view octets);

  bool ended() const { return ended_; }

  // Whether the octets so far end in the middle of a line.
  bool in_line() const { return !at_start_; }

  // How many fields of these names were seen.
  std::uint64_t received() const { return received_; }
  std::uint64_t delivered_to() const { return delivered_to_; }
  bool has_date() const { return has_date_; }
  bool has_message_id() const { return has_message_id_; }
  bool has_from() const { return has_from_; }

 private:
  static constexpr std::size_t max_name = 32;  // the names we look for are shorter
  void name_done();

  std::string name_;  // of the field, as far as it was read
  bool in_name_ = true;
  bool at_start_ = true;
  bool ended_ = false;
  std::uint64_t received_ = 0;
  std::uint64_t delivered_to_ = 0;
  bool has_date_ = false;
  bool has_message_id_ = false;
  bool has_from_ = false;
};

// What the Received field of a session tells.
struct TraceFacts {
  std::string helo;
  std::string name;                  // the client's, confirmed; empty: unknown
  std::optional<IpAddress> address;  // of the client
  std::string me;
  std::string session;
  bool esmtp = false;
  bool utf8 = false;  // SMTPUTF8 was used
};

// Returns the field as interfaces.md section 7 has it, folded, ended by LF. What
// the client said is cleaned: it cannot end the field or open a comment.
std::string received_field(const TraceFacts &facts, std::int64_t wall_seconds);

}  // namespace moat
