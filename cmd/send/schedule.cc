#include "cmd/send/schedule.h"

#include <algorithm>
#include <cmath>

namespace moat {
namespace {

constexpr std::int64_t first_rest = 60;
constexpr std::int64_t longest_rest = 3600;

}  // namespace

std::int64_t next_try(std::int64_t arrival, std::int64_t now, std::int64_t step) {
  const std::int64_t age = std::max<std::int64_t>(now - arrival, 0);
  auto tries = static_cast<std::int64_t>(
      std::sqrt(static_cast<double>(age) / static_cast<double>(step)));
  while (tries * tries * step <= age) ++tries;
  return std::max(now, arrival) - age + tries * tries * step;
}

void Backoff::failed(std::int64_t now) {
  constexpr unsigned most = 10;
  failures_ = std::min(failures_ + 1, most);
  until_ = now + std::min(first_rest << (failures_ - 1), longest_rest);
}

}  // namespace moat
