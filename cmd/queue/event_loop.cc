#include "cmd/queue/event_loop.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <utility>

namespace moat {

Result<EventLoop> EventLoop::make() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return system_error("epoll");
  return EventLoop(std::move(epoll));
}

Status EventLoop::add(int fd, std::function<void()> ready) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;  // NOLINT(cppcoreguidelines-pro-type-union-access)
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return system_error("epoll");
  }
  calls_[fd] = std::move(ready);
  return done;
}

void EventLoop::remove(int fd) {
  if (calls_.erase(fd) > 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Status EventLoop::turn(Deadline deadline) {
  std::array<epoll_event, 64> events{};
  const int count =
      ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                   deadline.poll_timeout());
  if (count < 0 && errno != EINTR) return system_error("epoll");
  for (int i = 0; i < count; ++i) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-union-access)
    const auto found = calls_.find(events.at(static_cast<std::size_t>(i)).data.fd);
    if (found == calls_.end()) continue;  // removed by a call before it
    const auto call = found->second;
    call();
  }
  return done;
}

}  // namespace moat
