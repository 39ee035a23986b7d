#include "cmd/userctl/folder_watch.h"

#include <poll.h>
#include <sys/inotify.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "libcommon/base/clock.h"

namespace moat {
namespace {

constexpr Milliseconds quiet{200};
constexpr Milliseconds patience{2'000};

}  // namespace

Result<FolderWatch> FolderWatch::make() {
  auto signals =
      std::make_unique<SignalReader>(std::initializer_list<int>{SIGTERM, SIGINT});
  Fd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) return system_error("inotify");
  return FolderWatch(std::move(fd), std::move(signals));
}

Result<bool> FolderWatch::add_one(const std::string &path, bool whole) {
  constexpr unsigned changes = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                               IN_MOVED_TO | IN_ATTRIB | IN_MOVE_SELF | IN_ONLYDIR;
  const int watch = ::inotify_add_watch(fd_.get(), path.c_str(), changes);
  if (watch < 0 && (errno == ENOENT || errno == ENOTDIR)) return false;
  if (watch < 0) return system_error("cannot watch " + path);
  return watched_.emplace(watch, whole).second;
}

Result<bool> FolderWatch::add(const std::set<std::string> &whole,
                              const std::set<std::string> &homes) {
  bool any = false;
  for (const auto *paths : {&whole, &homes}) {
    for (const std::string &path : *paths) {
      const auto added = add_one(path, paths == &whole);
      if (!added) return added;
      any = any || *added;
    }
  }
  return any;
}

// Whether one of them counts.
Result<bool> FolderWatch::take_events() {
  alignas(inotify_event) std::array<char, 16'384> buffer{};
  bool any = false;
  for (;;) {
    const auto size = ::read(fd_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return any;
    if (size <= 0) return system_error("inotify");
    for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
      inotify_event event{};
      std::memcpy(&event, &buffer.at(at), sizeof event);
      // The name is padded with NULs; without one it is about the folder.
      const std::string_view name =
          event.len > 0 ? &buffer.at(at + sizeof event) : std::string_view{};
      at += sizeof event + event.len;
      const auto found = watched_.find(event.wd);
      any = any || found == watched_.end() || found->second || name.empty() ||
            name.starts_with(".qmail");
      if ((event.mask & IN_IGNORED) != 0 && found != watched_.end()) {
        watched_.erase(found);
      }
    }
  }
}

Result<bool> FolderWatch::wait() {
  Deadline deadline = Deadline::never();
  Deadline last = Deadline::never();
  bool changed = false;
  for (;;) {
    std::array<pollfd, 2> polled{{{fd_.get(), POLLIN, 0}, {signals_->fd(), POLLIN, 0}}};
    const int ready = ::poll(polled.data(), polled.size(), deadline.poll_timeout());
    if (ready < 0 && errno != EINTR) return system_error("poll");
    if (signals_->next()) return false;
    const auto taken = take_events();
    if (!taken) return taken.error();
    if (*taken && !changed) last = Deadline::after(patience);
    changed = changed || *taken;
    if (*taken) deadline = Deadline::after(quiet);
    if (changed && (deadline.passed() || last.passed())) return true;
  }
}

}  // namespace moat
