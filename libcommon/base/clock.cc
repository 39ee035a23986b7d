#include "libcommon/base/clock.h"

#include <algorithm>
#include <array>
#include <climits>
#include <cstdio>
#include <ctime>

namespace moat {

std::int64_t Clock::wall_seconds() const {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec + offset_;
}

std::int64_t Clock::boot_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

int Deadline::poll_timeout() const {
  if (at_ == INT64_MAX) return -1;
  const std::int64_t rest = at_ - Clock::boot_ms();
  return static_cast<int>(std::clamp<std::int64_t>(rest, 0, INT_MAX));
}

std::string mail_date(std::int64_t wall_seconds) {
  static constexpr std::array<const char *, 7> days{"Sun", "Mon", "Tue", "Wed",
                                                    "Thu", "Fri", "Sat"};
  static constexpr std::array<const char *, 12> months{
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = wall_seconds;
  std::tm t{};
  ::gmtime_r(&seconds, &t);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d +0000",
                days.at(static_cast<std::size_t>(t.tm_wday)), t.tm_mday,
                months.at(static_cast<std::size_t>(t.tm_mon)), t.tm_year + 1900,
                t.tm_hour, t.tm_min, t.tm_sec);
  return text.data();
}

}  // namespace moat
