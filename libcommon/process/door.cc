#include "libcommon/process/door.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/process/user.h"

namespace moat {
namespace {

constexpr std::size_t most_fds = 4;
constexpr std::size_t small_packet = 4096;  // octets

// Returns room enough for the packet that waits. Most are far smaller than what
// is allowed, and 160 KiB of fresh memory cost more than the call.
std::size_t room_for_next(int fd, std::size_t max_octets) {
  if (max_octets <= small_packet) return max_octets;
  const auto size = ::recv(fd, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
  return size < 0 ? max_octets : std::min(max_octets, static_cast<std::size_t>(size));
}

Result<sockaddr_un> address_of(const std::string &path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return permanent_error("socket path is empty or too long: " + path);
  }
  std::memcpy(static_cast<char *>(address.sun_path), path.data(), path.size());
  return address;
}

Result<Fd> door_socket() {
  Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return system_error("socket");
  return fd;
}

// A socket file whose listener is gone refuses; only such a one may be replaced.
bool is_abandoned(const sockaddr_un &address) {
  const auto fd = door_socket();
  if (!fd) return false;
  const auto *generic = reinterpret_cast<const sockaddr *>(&address);
  return ::connect(fd->get(), generic, sizeof address) != 0 && errno == ECONNREFUSED;
}

}  // namespace

std::optional<std::string> door_path(std::string_view text) {
  if (text.starts_with("unix:")) return std::string(text.substr(5));
  if (text.starts_with("/") || text.starts_with(".")) return std::string(text);
  return std::nullopt;
}

Result<Fd> listen_at_door(const std::string &path, int backlog) {
  const auto address = address_of(path);
  if (!address) return address.error();
  Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return system_error("socket");
  const auto *generic = reinterpret_cast<const sockaddr *>(&*address);
  if (is_abandoned(*address)) ::unlink(path.c_str());
  const mode_t mask = ::umask(0117);
  const int bound = ::bind(fd.get(), generic, sizeof *address);
  ::umask(mask);
  if (bound != 0) return system_error("bind " + path);
  if (::listen(fd.get(), backlog) != 0) return system_error("listen " + path);
  return fd;
}

Result<Fd> accept_at_door(int listener) {
  Fd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (fd || errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return fd;
  return system_error("accept");
}

Result<Peer> door_peer(int fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return system_error("SO_PEERCRED");
  }
  return Peer{credentials.uid, credentials.gid, credentials.pid};
}

Result<Fd> connect_to_door(const std::string &path, Deadline deadline) {
  const auto address = address_of(path);
  if (!address) return address.error();
  auto fd = door_socket();
  if (!fd) return fd;
  // A full backlog blocks the connect of a unix socket: the bound is its own.
  timeval bound{};
  const int wait = deadline.poll_timeout();
  if (wait >= 0) bound = {wait / 1000, (wait % 1000) * 1000 + 1};
  ::setsockopt(fd->get(), SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
  const auto *generic = reinterpret_cast<const sockaddr *>(&*address);
  if (::connect(fd->get(), generic, sizeof *address) != 0) {
    return system_error("connect " + path);
  }
  return fd;
}

Status send_packet(int fd, std::string_view octets, std::span<const int> fds,
                   Deadline deadline) {
  if (octets.size() > max_packet || fds.size() > most_fds) {
    return permanent_error("packet too large");
  }
  iovec piece{const_cast<char *>(octets.data()), octets.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * most_fds)> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  for (;;) {
    if (::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return done;
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return system_error("send");
    const auto ready = wait_writable(fd, deadline);
    if (!ready) return ready.error();
    if (!*ready) return temporary_error("timed out");
  }
}

Result<std::optional<PacketView>> receive_ready_packet(int fd, std::span<char> buffer,
                                                       std::size_t max_fds) {
  iovec piece{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * most_fds)> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const auto size = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (size < 0) {
    if (errno == EINTR || errno == EAGAIN) return std::optional<PacketView>();
    return system_error("receive");
  }
  PacketView packet{{buffer.data(), static_cast<std::size_t>(size)}, {}};
  for (cmsghdr *header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::array<int, most_fds> fds{};
    std::memcpy(fds.data(), CMSG_DATA(header), std::min(count, most_fds) * sizeof(int));
    for (std::size_t i = 0; i < std::min(count, most_fds); ++i) {
      packet.fds.emplace_back(fds.at(i));
    }
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
      packet.fds.size() > max_fds) {
    return permanent_error("packet too large");
  }
  return std::optional(std::move(packet));
}

Result<Packet> receive_packet(int fd, std::size_t max_octets, std::size_t max_fds,
                              Deadline deadline) {
  std::string buffer;
  for (;;) {
    const auto ready = wait_readable(fd, deadline);
    if (!ready) return ready.error();
    if (!*ready) return temporary_error("timed out");
    buffer.resize(room_for_next(fd, max_octets));
    auto packet = receive_ready_packet(fd, buffer, max_fds);
    if (!packet) return packet.error();
    if (!*packet) continue;
    buffer.resize((*packet)->octets.size());
    return Packet{std::move(buffer), std::move((*packet)->fds)};
  }
}

Result<Callers> Callers::parse(std::span<const std::string> words) {
  Callers callers;
  if (words.empty()) callers.uids_ = {0, ::geteuid()};
  for (const std::string &word : words) {
    for (std::string_view rest = word; !rest.empty();) {
      const std::string_view name = take_until(rest, ',');
      if (name == "any") {
        callers.any_ = true;
      } else if (const auto number = parse_number(name, 0, UINT32_MAX - 1)) {
        callers.uids_.push_back(static_cast<uid_t>(*number));
      } else {
        const auto user = find_user(name);
        if (!user) return user.error();
        callers.uids_.push_back(user->uid);
      }
    }
  }
  return callers;
}

bool Callers::admit(const Peer &peer) const {
  return any_ || std::find(uids_.begin(), uids_.end(), peer.uid) != uids_.end();
}

}  // namespace moat
