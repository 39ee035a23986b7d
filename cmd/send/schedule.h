// When to try again.

#pragma once

#include <cstdint>
#include <string>

#include "libcommon/base/clock.h"

namespace moat {

// Returns when a recipient is tried next whom a message of `age` seconds could
// not be delivered to at `now`: as with qmail the tries lie at 0, step, 4 step,
// 9 step ... after the message came, so they grow apart. Always after `now`.
std::int64_t next_try(std::int64_t arrival, std::int64_t now, std::int64_t step);

inline constexpr std::int64_t local_step = 100;   // seconds
inline constexpr std::int64_t remote_step = 400;  // seconds

// A destination that nobody answers at: until when it is left alone. A minute
// after the first failure in a row, twice as long after each other, an hour at
// most. While it is not known to work again, it is tried by one at a time.
class Backoff {
 public:
  void failed(std::int64_t now);
  void worked() { failures_ = 0; }
  bool down(std::int64_t now) const { return failures_ > 0 && now < until_; }
  bool doubtful() const { return failures_ > 0; }
  std::int64_t until() const { return until_; }

 private:
  unsigned failures_ = 0;
  std::int64_t until_ = 0;
};

}  // namespace moat
