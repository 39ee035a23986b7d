// Outcome: what became of one recipient of a message.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace moat {

inline constexpr std::size_t max_outcome_text = 500;  // octets

struct Outcome {
  enum Code : char { delivered = 'K', deferred = 'Z', failed = 'D' };  // qmail's letters
  Code code = deferred;
  std::string status;  // RFC 3463: "5.1.1"
  std::string text;    // one line of printable ASCII

  // Clean the text that they are given: other octets become '?', and what is
  // over max_outcome_text is cut off.
  static Outcome ok(std::string_view text);
  static Outcome defer(std::string_view status, std::string_view text);
  static Outcome fail(std::string_view status, std::string_view text);

  friend bool operator==(const Outcome &, const Outcome &) = default;
};

// Returns "STATUS TEXT".
std::string outcome_line(const Outcome &outcome);

// Returns whether `text` is an enhanced status code: class 2, 4 or 5, then two
// numbers of at most three digits.
bool is_status(std::string_view text);

}  // namespace moat
