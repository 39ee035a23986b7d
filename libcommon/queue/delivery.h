// What send asks of local and remote, and what they answer: a packet each at a
// door, the message's descriptor beside the question.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/result.h"
#include "libcommon/smtp/outcome.h"

namespace moat {

inline constexpr std::size_t max_delivery_recipients = 100;
inline constexpr std::size_t max_delivery_value = 4096;  // octets of one field

// One message for one destination.
struct Delivery {
  struct Owner {
    uid_t uid;
    gid_t gid;
    friend bool operator==(const Owner &, const Owner &) = default;
  };

  std::string name;    // letters and digits, 64 at most; the same at each try
  std::string sender;  // empty: the null sender
  std::vector<std::string> recipients;
  std::int64_t arrival = 0;    // wall seconds at which the queue took the message
  std::string maildir;         // for local: an absolute path without ".."
  std::optional<Owner> owner;  // for local: whose it is, where that was said
  std::string route;           // for remote: see smtp/route.h

  friend bool operator==(const Delivery &, const Delivery &) = default;
};

// The form at the door: "name=value" NUL for each field.
std::string delivery_text(const Delivery &delivery);

// Parses that form. Permanent error: a field that is unknown, twice, missing
// (name and a recipient must be there), too long or not as said above.
Result<Delivery> parse_delivery(std::string_view text);

// The form at the door: letter, status, blank, text, NUL for each recipient in
// their order.
std::string outcomes_text(const std::vector<Outcome> &outcomes);

// Parses that form, of exactly `count` recipients; nullopt for anything else.
std::optional<std::vector<Outcome>> parse_outcomes(std::string_view text,
                                                   std::size_t count);

}  // namespace moat
