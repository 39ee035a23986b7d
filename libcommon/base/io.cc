#include "libcommon/base/io.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdio>

namespace moat {
namespace {

constexpr std::size_t piece_size = 16384;

Result<bool> wait_for(int fd, short events, Deadline deadline) {
  for (;;) {
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, deadline.poll_timeout());
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) return system_error("poll");
  }
}

// SIGPIPE is the business of pipes alone: a socket says EPIPE.
ssize_t write_quietly(int fd, std::string_view octets) {
  const auto sent = ::send(fd, octets.data(), octets.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0 || errno != ENOTSOCK) return sent;
  return ::write(fd, octets.data(), octets.size());
}

}  // namespace

Result<bool> wait_readable(int fd, Deadline deadline) {
  return wait_for(fd, POLLIN, deadline);
}
Result<bool> wait_writable(int fd, Deadline deadline) {
  return wait_for(fd, POLLOUT, deadline);
}

Result<std::size_t> read_some(int fd, char *buffer, std::size_t size, Deadline deadline) {
  for (;;) {
    if (deadline.boot_ms() != INT64_MAX) {
      const auto ready = wait_readable(fd, deadline);
      if (!ready) return ready.error();
      if (!*ready) return temporary_error("timed out");
    }
    const auto count = ::read(fd, buffer, size);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EAGAIN) {
      const auto ready = wait_readable(fd, deadline);
      if (!ready) return ready.error();
    } else if (errno != EINTR) {
      return system_error("read");
    }
  }
}

Status write_all(int fd, std::string_view octets, Deadline deadline) {
  while (!octets.empty()) {
    const auto count = write_quietly(fd, octets);
    if (count >= 0) {
      octets.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      const auto ready = wait_writable(fd, deadline);
      if (!ready) return ready.error();
      if (!*ready) return temporary_error("timed out");
    } else if (errno != EINTR) {
      return system_error("write");
    }
  }
  return done;
}

Result<std::string> read_all(int fd, std::size_t max_size, Deadline deadline) {
  std::string octets;
  std::array<char, piece_size> piece;
  for (;;) {
    const auto count = read_some(fd, piece.data(), piece.size(), deadline);
    if (!count) return count.error();
    if (*count == 0) return octets;
    octets.append(piece.data(), *count);
    if (octets.size() > max_size) return permanent_error("too big");
  }
}

Result<std::string> read_file(const std::string &path, std::size_t max_size) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return system_error(path);
  auto octets = read_all(file.get(), max_size);
  if (!octets) return Error{octets.error().temporary, path + ": " + octets.error().what};
  return octets;
}

Status sync_folder(const std::string &path) {
  const Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return system_error(path);
  if (::fsync(folder.get()) != 0) return system_error("fsync " + path);
  return done;
}

Status replace_file(const std::string &path, std::string_view octets, unsigned mode) {
  const std::string fresh = path + ".new";
  {
    const Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!file) return system_error(fresh);
    const auto written = write_all(file.get(), octets);
    if (!written) return Error{true, fresh + ": " + written.error().what};
    if (::fsync(file.get()) != 0) return system_error("fsync " + fresh);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return system_error("rename " + fresh);
  const auto slash = path.rfind('/');
  return sync_folder(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

Result<LineReader::Line> LineReader::next(Deadline deadline) {
  std::array<char, piece_size> piece;
  for (;;) {
    const auto newline = buffer_.find('\n');
    if (newline != std::string::npos) {
      Line line{false, buffer_.substr(0, newline)};
      buffer_.erase(0, newline + 1);
      return line;
    }
    if (buffer_.size() > max_line_) return permanent_error("line too long");
    if (ended_) {
      Line line{buffer_.empty(), std::move(buffer_)};
      buffer_.clear();
      return line;
    }
    const auto count = read_some(fd_, piece.data(), piece.size(), deadline);
    if (!count) return count.error();
    if (*count == 0) ended_ = true;
    buffer_.append(piece.data(), *count);
  }
}

}  // namespace moat
