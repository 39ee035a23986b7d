#include "cmd/send/pool.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "libcommon/base/io.h"
#include "libcommon/process/door.h"

namespace moat {
namespace {

constexpr Milliseconds call_timeout{2000};
constexpr Milliseconds longest_rest{30000};
constexpr std::size_t max_answer = max_packet;

bool has_come(int fd) {
  const auto ready = wait_readable(fd, Deadline::after(Milliseconds(0)));
  return ready && *ready;
}

}  // namespace

std::size_t Pool::busy() const {
  return static_cast<std::size_t>(
      std::count_if(workers_.begin(), workers_.end(),
                    [](const Worker &worker) { return worker.job.has_value(); }));
}

Status Pool::open(Worker &worker) const {
  if (!settings_.door.empty()) {
    auto fd = connect_to_door(settings_.door, Deadline::after(call_timeout));
    if (!fd) return fd.error();
    worker.connection = std::move(*fd);
    return done;
  }
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return system_error("socketpair");
  }
  worker.connection.reset(ends[0]);
  const Fd theirs(ends[1]);
  auto child = Child::start(settings_.program, environment_, {{theirs.get(), 0}});
  if (!child) return child.error();
  worker.child.emplace(std::move(*child));
  return done;
}

Status Pool::hand_over(Worker &worker, const Job &job, int message) const {
  const std::array<int, 1> fds{message};
  return send_packet(worker.connection.get(), delivery_text(job.delivery), fds,
                     Deadline::after(call_timeout));
}

Status Pool::start(const Job &job, int message) {
  Worker worker;
  for (;;) {
    // The one that worked last is the one with the warm connection. It may have
    // ended meanwhile; a fresh one may not.
    const auto idle = [](const Worker &one) { return !one.job; };
    const auto free = std::find_if(workers_.rbegin(), workers_.rend(), idle);
    const bool fresh = free == workers_.rend();
    if (fresh) {
      worker = Worker();
      if (auto opened = open(worker); !opened) return opened;
    } else {
      worker = std::move(*free);
      workers_.erase(std::next(free).base());
    }
    const auto sent = hand_over(worker, job, message);
    if (sent) break;
    if (fresh) return sent;
  }
  worker.job = job;
  worker.deadline = Deadline::after(settings_.timeout);
  workers_.push_back(std::move(worker));
  return done;
}

void Pool::add_polls(std::vector<pollfd> &polls) const {
  for (const Worker &worker : workers_)
    polls.push_back({worker.connection.get(), POLLIN, 0});
}

Deadline Pool::deadline() const {
  Deadline first = Deadline::never();
  for (const Worker &worker : workers_) first = min(first, worker.deadline);
  return first;
}

std::vector<Pool::Ended> Pool::collect() {
  std::vector<Ended> ended;
  for (std::size_t i = 0; i < workers_.size();) {
    Worker &worker = workers_[i];
    const bool came = has_come(worker.connection.get());
    if (!came && !(worker.job && worker.deadline.passed())) {
      ++i;
      continue;
    }
    std::optional<std::vector<Outcome>> outcomes;
    if (came && worker.job) {
      const auto packet = receive_packet(worker.connection.get(), max_answer, 0,
                                         Deadline::after(Milliseconds(0)));
      if (packet) outcomes = parse_outcomes(packet->octets, worker.job->numbers.size());
    }
    if (worker.job) ended.push_back({std::move(*worker.job), outcomes});
    worker.job.reset();
    worker.deadline = Deadline::after(longest_rest);
    if (outcomes) {
      ++i;
    } else {
      workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return ended;
}

void Pool::rest() {
  std::erase_if(workers_, [](const Worker &worker) {
    return !worker.job && worker.deadline.passed();
  });
}

}  // namespace moat
