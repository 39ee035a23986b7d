// The time, through a clock that a test can shift.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace moat {

using Milliseconds = std::chrono::milliseconds;

// Two clocks: the wall's, for what is written down and compared across
// processes and boots, and the one since boot, for deadlines within one.
class Clock {
 public:
  // `offset` is added to the wall clock (MOAT_CLOCK_OFFSET, in seconds), so
  // that a retry due in four hours can be tested today.
  explicit Clock(std::int64_t offset = 0) : offset_(offset) {}

  // Returns seconds since 1970, UTC.
  std::int64_t wall_seconds() const;

  // Returns milliseconds since boot, sleep included (CLOCK_BOOTTIME). All
  // processes of a machine agree on it, so a deadline can be handed on.
  static std::int64_t boot_ms();

 private:
  std::int64_t offset_;
};

// A point of boot time after which nobody waits any more.
class Deadline {
 public:
  // Never: for descriptors that are known to answer, as regular files.
  static Deadline never() { return Deadline(INT64_MAX); }
  static Deadline after(Milliseconds wait) {
    return Deadline(Clock::boot_ms() + wait.count());
  }
  static Deadline at(std::int64_t boot_ms) { return Deadline(boot_ms); }

  std::int64_t boot_ms() const { return at_; }
  bool passed() const { return at_ != INT64_MAX && Clock::boot_ms() >= at_; }

  // Returns the rest of the wait as poll(2) wants it: -1 for never, 0 when it
  // has passed.
  int poll_timeout() const;

  friend Deadline min(Deadline a, Deadline b) { return a.at_ < b.at_ ? a : b; }

 private:
  explicit Deadline(std::int64_t at) : at_(at) {}
  std::int64_t at_;
};

// Returns the date of a header field, as RFC 5322 section 3.3 has it and always
// in UTC: "Sat, 21 Nov 2026 21:30:00 +0000".
std::string mail_date(std::int64_t wall_seconds);

}  // namespace moat
