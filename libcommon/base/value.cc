#include "libcommon/base/value.h"

#include <array>

#include "libcommon/base/text.h"

namespace moat {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::uint64_t ten_years_ms = 3650ULL * 24 * 3600 * 1000;

constexpr std::array<Unit, 5> times{Unit{"d", 86400000}, Unit{"h", 3600000},
                                    Unit{"m", 60000}, Unit{"s", 1000}, Unit{"ms", 1}};
constexpr std::array<Unit, 3> sizes{Unit{"G", 1ULL << 30U}, Unit{"M", 1ULL << 20U},
                                    Unit{"k", 1ULL << 10U}};

template <std::size_t N>
std::optional<std::uint64_t> parse_scaled(std::string_view text,
                                          const std::array<Unit, N> &units,
                                          std::uint64_t plain, std::uint64_t most) {
  const auto digits = text.find_first_not_of("0123456789");
  const std::string_view name =
      digits == std::string_view::npos ? "" : text.substr(digits);
  std::uint64_t factor = name.empty() ? plain : 0;
  for (const Unit &unit : units) {
    if (unit.name == name) factor = unit.factor;
  }
  if (factor == 0) return std::nullopt;
  const auto number = parse_number(text.substr(0, digits), 0, most / factor);
  if (!number) return std::nullopt;
  return *number * factor;
}

}  // namespace

std::optional<Milliseconds> parse_duration(std::string_view text) {
  const auto ms = parse_scaled(text, times, 1000, ten_years_ms);
  if (!ms) return std::nullopt;
  return Milliseconds(*ms);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  return parse_scaled(text, sizes, 1, UINT64_MAX / 2);
}

std::optional<Rate> parse_rate(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto count = parse_number(text.substr(0, slash), 1, UINT32_MAX);
  const auto period = parse_duration(text.substr(slash + 1));
  if (!count || !period || period->count() == 0) return std::nullopt;
  return Rate{*count, *period};
}

std::string to_text(Milliseconds duration) {
  const auto ms = static_cast<std::uint64_t>(duration.count());
  if (ms == 0) return "0s";
  for (const Unit &unit : times) {
    if (ms % unit.factor == 0) {
      return std::to_string(ms / unit.factor).append(unit.name);
    }
  }
  return std::to_string(ms) + "ms";
}

std::string size_text(std::uint64_t octets) {
  for (const Unit &unit : sizes) {
    if (octets != 0 && octets % unit.factor == 0) {
      return std::to_string(octets / unit.factor).append(unit.name);
    }
  }
  return std::to_string(octets);
}

std::string to_text(const Rate &rate) {
  return std::to_string(rate.count) + "/" + to_text(rate.period);
}

}  // namespace moat
