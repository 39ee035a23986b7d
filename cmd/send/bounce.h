// The report to a sender whose message could not be delivered (RFC 3464).

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace moat {

inline constexpr std::size_t max_bounced_header = 32768;  // octets

struct BounceRecipient {
  std::string address;
  std::string origin;  // what the sender wrote, where it is another address
  std::string text;    // "STATUS TEXT"
};

struct Bounce {
  std::string server;    // this server's name
  std::string sender;    // of the message; empty: itself a bounce, or the like
  std::string id;        // its id in the queue
  std::string to;        // who gets the report
  std::string boundary;  // letters and digits that nobody could guess
  std::int64_t arrival = 0;
  std::int64_t now = 0;
  std::vector<BounceRecipient> recipients;
  std::string header;  // of the message
};

// Returns the report as a message with LF line ends: a text for a person, a
// delivery-status for a program, and the header of the message. At most
// max_bounced_header octets of that, and the first 1,000 recipients.
std::string bounce_message(const Bounce &bounce);

// Returns the header off the front of a message, without the empty line, at most
// max_bounced_header octets and only whole lines.
std::string header_of(std::string_view message);

}  // namespace moat
