#include "cmd/smtpd/connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "libcommon/base/io.h"

namespace moat {
namespace {

constexpr timeval slice{1, 0};
constexpr std::size_t max_linger = std::size_t{1} << 20U;  // octets
constexpr Milliseconds linger_time{1000};

sigset_t termination() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

HeldTermination::HeldTermination() {
  const sigset_t set = termination();
  ::sigprocmask(SIG_BLOCK, &set, &before_);
}

HeldTermination::~HeldTermination() {
  const sigset_t set = termination();
  if (wanted()) {
    const timespec now{};
    ::sigtimedwait(&set, nullptr, &now);
  }
  ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

bool HeldTermination::wanted() {
  sigset_t pending;
  return ::sigpending(&pending) == 0 && ::sigismember(&pending, SIGTERM) == 1;
}

Connection::Connection()
    : is_socket_(::setsockopt(STDIN_FILENO, SOL_SOCKET, SO_RCVTIMEO, &slice,
                              sizeof slice) == 0) {}

Connection::Received Connection::receive(std::span<char> buffer, Deadline deadline,
                                         bool watch) const {
  for (;;) {
    if (const auto received = receive_once(buffer, deadline)) return *received;
    if (watch && HeldTermination::wanted()) return {Event::terminated};
    if (deadline.passed()) return {Event::timeout};
  }
}

std::optional<Connection::Received> Connection::receive_once(std::span<char> buffer,
                                                             Deadline deadline) const {
  if (!is_socket_) {
    const Deadline end = min(deadline, Deadline::after(Milliseconds(1000)));
    const auto ready = wait_readable(STDIN_FILENO, end);
    if (ready && !*ready) return std::nullopt;
  }
  const auto count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
  if (count > 0) return Received{Event::octets, static_cast<std::size_t>(count)};
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  return Received{Event::end};
}

bool Connection::send(std::string_view octets, Deadline deadline) {
  return bool{write_all(STDOUT_FILENO, octets, deadline)};
}

bool Connection::talked_early() const {
  char octet = 0;
  if (is_socket_) {
    return ::recv(STDIN_FILENO, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
  }
  pollfd entry{STDIN_FILENO, POLLIN, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & POLLIN) != 0;
}

void Connection::pause(Milliseconds wait) const {
  const Deadline end = Deadline::after(wait);
  pollfd entry{is_socket_ ? STDIN_FILENO : -1, 0, 0};
  while (!end.passed()) {
    if (::poll(&entry, 1, end.poll_timeout()) > 0) return;
  }
}

void Connection::linger() const {
  if (!is_socket_ || ::shutdown(STDOUT_FILENO, SHUT_WR) != 0) return;
  const Deadline end = Deadline::after(linger_time);
  std::array<char, 16384> piece;
  for (std::size_t total = 0; total < max_linger;) {
    const auto ready = wait_readable(STDIN_FILENO, end);
    if (!ready || !*ready) return;
    const auto count = ::recv(STDIN_FILENO, piece.data(), piece.size(), MSG_DONTWAIT);
    if (count <= 0) return;
    total += static_cast<std::size_t>(count);
  }
}

}  // namespace moat
