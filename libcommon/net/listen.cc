#include "libcommon/net/listen.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "libcommon/base/io.h"
#include "libcommon/base/text.h"

namespace moat {
namespace {

constexpr std::size_t max_services = std::size_t{1} << 20U;

struct Service {
  std::string_view name;
  std::uint16_t port;
};
constexpr auto mail_services = std::to_array<Service>({{"smtp", 25},
                                                       {"submission", 587},
                                                       {"submissions", 465},
                                                       {"smtps", 465},
                                                       {"pop3", 110},
                                                       {"imap", 143}});

std::optional<IpAddress> parse_host(std::string_view text) {
  if (text == "localhost") return IpAddress::parse("127.0.0.1");
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  return IpAddress::parse(text);
}

// A socket address of any family, and how much of it counts.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
  sockaddr *get() { return reinterpret_cast<sockaddr *>(&storage); }
};

template <typename T>
SocketAddress socket_address(const T &address) {
  SocketAddress result;
  std::memcpy(&result.storage, &address, sizeof address);
  result.size = sizeof address;
  return result;
}

SocketAddress everywhere_v4(std::uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  return socket_address(in);
}

SocketAddress everywhere_v6(std::uint16_t port) {
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  return socket_address(in6);
}

SocketAddress address_of(const IpAddress &address, std::uint16_t port) {
  if (address.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address.bytes().data() + 12, 4);
    return socket_address(in);
  }
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  std::memcpy(&in6.sin6_addr, address.bytes().data(), 16);
  return socket_address(in6);
}

void set_option(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

// Sets `result`, or returns the errno.
int bind_socket(SocketAddress address, Fd &result) {
  const int family = address.storage.ss_family;
  Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno;
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  // One socket for both versions, whatever the system's habit is; an address
  // of version 6 is for that alone.
  if (family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (::bind(fd.get(), address.get(), address.size) != 0) return errno;
  result = std::move(fd);
  return 0;
}

Error cannot_bind(const std::string &where, int number) {
  errno = number;
  return system_error("cannot listen at " + where);
}

Result<Listener> listen_everywhere(std::uint16_t port) {
  Listener listener;
  int failed = bind_socket(everywhere_v6(port), listener.fd);
  if (failed == EAFNOSUPPORT || failed == EADDRNOTAVAIL) {
    listener.without_ipv6 = true;
    failed = bind_socket(everywhere_v4(port), listener.fd);
  }
  if (failed != 0) return cannot_bind("port " + std::to_string(port), failed);
  return listener;
}

bool nobody_listens(SocketAddress address) {
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(fd.get(), address.get(), address.size) != 0 && errno == ECONNREFUSED;
}

Result<Listener> listen_at_path(const std::string &path) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof un.sun_path) {
    return permanent_error("socket path is empty or too long: " + path);
  }
  std::memcpy(static_cast<char *>(un.sun_path), path.data(), path.size());
  if (nobody_listens(socket_address(un))) ::unlink(path.c_str());
  Listener listener;
  const int failed = bind_socket(socket_address(un), listener.fd);
  if (failed != 0) return cannot_bind(path, failed);
  return listener;
}

Result<Listener> listen_on_inherited(int number) {
  Listener listener;
  int listens = 0;
  socklen_t size = sizeof listens;
  const std::string name = "fd:" + std::to_string(number);
  if (::getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 ||
      listens == 0) {
    return permanent_error(name + " is not a socket that listens");
  }
  listener.fd.reset(number);
  const int flags = ::fcntl(number, F_GETFL);
  if (flags < 0 || ::fcntl(number, F_SETFD, FD_CLOEXEC) != 0 ||
      ::fcntl(number, F_SETFL, flags | O_NONBLOCK) != 0) {
    return system_error(name);
  }
  return listener;
}

Result<Listener> bind_at(const ListenAt &at) {
  switch (at.kind) {
    case ListenAt::Kind::everywhere: return listen_everywhere(at.port);
    case ListenAt::Kind::path: return listen_at_path(at.path);
    case ListenAt::Kind::inherited: return listen_on_inherited(at.fd);
    case ListenAt::Kind::address: break;
  }
  Listener listener;
  const int failed = bind_socket(address_of(*at.address, at.port), listener.fd);
  if (failed != 0) {
    return cannot_bind(at.address->text() + " port " + std::to_string(at.port), failed);
  }
  return listener;
}

// Finds out what the socket is bound to, whoever bound it.
Status learn_name(Listener &listener) {
  SocketAddress own;
  if (::getsockname(listener.fd.get(), own.get(), &own.size) != 0) {
    return system_error("getsockname");
  }
  if (own.storage.ss_family == AF_UNIX) {
    sockaddr_un un{};
    std::memcpy(&un, &own.storage, sizeof un);
    listener.is_unix = true;
    listener.path = static_cast<const char *>(un.sun_path);
    return done;
  }
  const auto address = IpAddress::from(own.get());
  if (!address) return permanent_error("neither an IP nor a unix socket");
  sockaddr_in6 in6{};  // the port lies at the same place in both
  std::memcpy(&in6, &own.storage, sizeof in6);
  listener.port = ntohs(in6.sin6_port);
  const bool everywhere =
      *address == *IpAddress::parse("::") || *address == *IpAddress::parse("0.0.0.0");
  if (!everywhere) listener.address = address;
  return done;
}

std::optional<std::uint16_t> find_service(std::string_view name) {
  const auto file = read_file("/etc/services", max_services);
  if (!file) return std::nullopt;
  for (std::string_view rest = *file; !rest.empty();) {
    std::string_view line = take_line(rest);
    line = line.substr(0, line.find('#'));
    const std::string_view first = take_word(line);
    std::string_view place = take_word(line);
    const auto port = parse_number(take_until(place, '/'), 1, UINT16_MAX);
    if (!port || place != "tcp") continue;
    bool named = first == name;
    while (!named && !line.empty()) named = take_word(line) == name;
    if (named) return static_cast<std::uint16_t>(*port);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (const auto number = parse_number(text, 0, UINT16_MAX)) {
    return static_cast<std::uint16_t>(*number);
  }
  for (const Service &service : mail_services) {
    if (service.name == text) return service.port;
  }
  return find_service(text);
}

Result<ListenAt> ListenAt::take(std::span<const std::string> &words) {
  ListenAt at;
  if (words.empty()) return permanent_error("no place to listen at");
  const std::string_view first = words[0];
  if (first.starts_with("unix:")) {
    at.kind = Kind::path;
    at.path = first.substr(5);
    words = words.subspan(1);
    if (at.path.empty()) return permanent_error("unix: takes a path");
    return at;
  }
  if (first.starts_with("fd:")) {
    const auto number = parse_number(first.substr(3), 0, 65535);
    if (!number) return permanent_error("fd: takes the number of a descriptor");
    at.kind = Kind::inherited;
    at.fd = static_cast<int>(*number);
    words = words.subspan(1);
    return at;
  }
  if (first != "0") {
    at.kind = Kind::address;
    at.address = parse_host(first);
    if (!at.address) return permanent_error("not an address: " + words[0]);
  }
  if (words.size() < 2) return permanent_error("no port to listen at");
  const auto port = parse_port(words[1]);
  if (!port) return permanent_error("not a port: " + words[1]);
  at.port = *port;
  words = words.subspan(2);
  return at;
}

Result<Listener> Listener::open(const ListenAt &at, int backlog) {
  auto listener = bind_at(at);
  if (!listener) return listener;
  const int fd = listener->fd.get();
  const auto named = learn_name(*listener);
  if (!named) return named.error();
  if (!listener->is_unix) {
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, IPPROTO_TCP, TCP_SAVE_SYN, 1);
  }
  // Also an inherited one: its backlog is ours to say from now on.
  if (::listen(fd, backlog) != 0) return system_error("listen");
  return listener;
}

}  // namespace moat
