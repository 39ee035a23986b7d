#include "libcommon/queue/queue_program.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "libcommon/base/text.h"

namespace moat {
namespace {

constexpr std::size_t max_text = 255;
constexpr std::int64_t most_margin = 5'000;  // milliseconds

}  // namespace

std::optional<std::string> told_deadline(const Environment &environment,
                                         Deadline deadline) {
  const auto given =
      parse_number(environment.get_or("MOAT_DEADLINE", ""), 0, std::uint64_t{INT64_MAX});
  if (given) deadline = min(deadline, Deadline::at(static_cast<std::int64_t>(*given)));
  if (deadline.boot_ms() == INT64_MAX) return std::nullopt;
  const std::int64_t rest = deadline.boot_ms() - Clock::boot_ms();
  const std::int64_t margin = std::clamp<std::int64_t>(rest / 8, 0, most_margin);
  return std::to_string(deadline.boot_ms() - margin);
}

Result<QueueProgram> QueueProgram::start(const Argv &argv, const Environment &environment,
                                         int message, int envelope, Deadline deadline) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("pipe");
  Fd text(ends[0]);
  const Fd far(ends[1]);
  // Our end alone: the program's own end blocks as it expects.
  if (::fcntl(text.get(), F_SETFL, O_NONBLOCK) != 0) return system_error("fcntl");

  Environment own = environment;
  own.set("ERROR_FD", "4");
  if (const auto told = told_deadline(environment, deadline)) {
    own.set("MOAT_DEADLINE", *told);
  }
  auto child = Child::start(
      argv, own, {{message, 0}, {envelope, 1}, {far.get(), 4}, {far.get(), 6}}, true);
  if (!child) return child.error();
  return QueueProgram(std::move(*child), std::move(text));
}

bool QueueProgram::read_text() {
  std::array<char, 1024> piece;
  for (;;) {
    const auto count = ::read(text_.get(), piece.data(), piece.size());
    if (count > 0) {
      octets_.append(piece.data(), static_cast<std::size_t>(count));
      octets_.resize(std::min(octets_.size(), max_text));
    } else if (count == 0 || (errno != EINTR && errno != EAGAIN)) {
      return false;
    } else if (errno == EAGAIN) {
      return true;
    }
  }
}

QueueAnswer QueueProgram::finish() {
  const auto ending = child_.wait(Deadline::never());
  if (!ending || ending->signal != 0) return {-1, ""};
  read_text();
  const bool wants_text = ending->code == queue_text || ending->code == queue_text_fd;
  return {ending->code, wants_text ? std::move(octets_) : std::string()};
}

QueueAnswer QueueProgram::abandon() {
  child_.signal_group(SIGKILL);
  child_.wait(Deadline::never());
  return {-1, ""};
}

}  // namespace moat
