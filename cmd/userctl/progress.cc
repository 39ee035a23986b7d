#include "cmd/userctl/progress.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "libcommon/base/clock.h"
#include "libcommon/base/io.h"

namespace moat {
namespace {

constexpr std::uint64_t width = 40;          // columns of the bar
constexpr std::uint64_t calls_a_look = 256;  // a look at the clock costs too
constexpr std::int64_t gap = 100;            // milliseconds

}  // namespace

Progress::Progress(std::string what, std::uint64_t total)
    : what_(std::move(what)), total_(total), shown_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (drawn_ != 0) (void)write_all(STDERR_FILENO, "\r\033[K");
}

void Progress::at(std::uint64_t position) {
  if (!shown_ || calls_++ % calls_a_look != 0) return;
  const std::int64_t now = Clock::boot_ms();
  if (now - drawn_ < gap) return;
  drawn_ = now;
  draw(position);
}

void Progress::draw(std::uint64_t position) const {
  std::string line = "\r" + what_ + " ";
  if (total_ == 0) {
    line += std::to_string(position);
  } else {
    const std::uint64_t reached = std::min(position, total_);
    const auto full = static_cast<std::size_t>(reached * width / total_);
    line += "[" + std::string(full, '#') + std::string(width - full, ' ') + "] " +
            std::to_string(reached * 100 / total_) + "%";
  }
  (void)write_all(STDERR_FILENO, line);
}

}  // namespace moat
