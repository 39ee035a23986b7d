// Waiting for many descriptors at once.

#pragma once

#include <functional>
#include <map>

#include "libcommon/base/clock.h"
#include "libcommon/base/fd.h"
#include "libcommon/base/result.h"

namespace moat {

class EventLoop {
 public:
  static Result<EventLoop> make();

  // Calls `ready` in each turn in which the descriptor can be read or has ended,
  // until it is removed. Remove it before it is closed.
  Status add(int fd, std::function<void()> ready);
  void remove(int fd);

  // Waits until something can be read, the deadline at most, and makes the calls.
  // A call may add and remove descriptors.
  Status turn(Deadline deadline);

 private:
  explicit EventLoop(Fd epoll) : epoll_(std::move(epoll)) {}
  Fd epoll_;
  std::map<int, std::function<void()>> calls_;
};

}  // namespace moat
