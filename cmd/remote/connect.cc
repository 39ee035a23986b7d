#include "cmd/remote/connect.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "libcommon/base/io.h"
#include "libcommon/base/text.h"

namespace moat {
namespace {

constexpr std::size_t max_hosts = std::size_t{1} << 20U;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr *generic() const { return reinterpret_cast<const sockaddr *>(&storage); }
};

Address address_of(const IpAddress &ip, std::uint16_t port) {
  Address address;
  if (ip.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, ip.bytes().data() + 12, 4);
    std::memcpy(&address.storage, &v4, sizeof v4);
    address.size = sizeof v4;
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&v6.sin6_addr, ip.bytes().data(), 16);
    std::memcpy(&address.storage, &v6, sizeof v6);
    address.size = sizeof v6;
  }
  return address;
}

Address address_of(const std::string &path) {
  Address address;
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  path.copy(static_cast<char *>(local.sun_path), sizeof local.sun_path - 1);
  std::memcpy(&address.storage, &local, sizeof local);
  address.size = sizeof local;
  return address;
}

Result<Fd> connect_at(const Address &address, Deadline deadline) {
  Fd fd(
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return system_error("socket");
  if (::connect(fd.get(), address.generic(), address.size) == 0) return fd;
  if (errno != EINPROGRESS) return system_error("connect");
  const auto ready = wait_writable(fd.get(), deadline);
  if (!ready) return ready.error();
  if (!*ready) return temporary_error("connect: timed out");
  int reason = 0;
  socklen_t size = sizeof reason;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &reason, &size) != 0) {
    return system_error("connect");
  }
  errno = reason;
  if (reason != 0) return system_error("connect");
  const int on = 1;  // commands and their answers are not to wait for each other
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

}  // namespace

std::vector<IpAddress> addresses_of(std::string_view name, std::string_view hosts) {
  if (const auto literal = IpAddress::parse(name)) return {*literal};
  std::vector<IpAddress> addresses;
  if (equal_nocase(name, "localhost")) hosts = "127.0.0.1 localhost\n::1 localhost\n";
  while (!hosts.empty()) {
    std::string_view rest = take_line(hosts);
    std::string_view line = take_until(rest, '#');
    const auto address = IpAddress::parse(take_word(line));
    if (!address) continue;
    for (std::string_view word; !(word = take_word(line)).empty();) {
      if (!equal_nocase(word, name)) continue;
      addresses.push_back(*address);
      break;
    }
  }
  return addresses;
}

Result<Fd> connect_to(const SmtpRoute &route, Deadline deadline) {
  if (!route.path.empty()) return connect_at(address_of(route.path), deadline);
  const auto hosts = read_file("/etc/hosts", max_hosts);
  const auto addresses = addresses_of(route.host, hosts ? *hosts : std::string());
  Result<Fd> fd = temporary_error("no address for this name in /etc/hosts");
  for (const IpAddress &address : addresses) {
    fd = connect_at(address_of(address, route.port), deadline);
    if (fd) break;
  }
  return fd;
}

}  // namespace moat
