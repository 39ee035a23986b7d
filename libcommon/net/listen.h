// Listening sockets, as acceptors and doors are told them.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "libcommon/base/fd.h"
#include "libcommon/base/result.h"
#include "libcommon/net/ip_address.h"

namespace moat {

// Where to listen.
struct ListenAt {
  enum class Kind {
    everywhere,  // every address of both versions, `port`
    address,     // `address` and `port`
    path,        // a unix socket at `path`
    inherited,   // descriptor `fd`
  };
  Kind kind = Kind::everywhere;
  std::optional<IpAddress> address;
  std::uint16_t port = 0;  // 0: one that the system picks
  std::string path;
  int fd = -1;

  // Takes "unix:PATH", "fd:N", or two words HOST PORT off the front of `words`.
  // HOST is 0 for everywhere, "localhost", or an address, in brackets or not;
  // PORT a number or a service's name. Anything else is a permanent error.
  static Result<ListenAt> take(std::span<const std::string> &words);
};

// A socket that listens.
struct Listener {
  Fd fd;  // close-on-exec, does not block
  bool is_unix = false;
  bool without_ipv6 = false;  // asked for everywhere, but the kernel has IPv4 alone
  std::optional<IpAddress> address;  // where it is one alone
  std::uint16_t port = 0;
  std::string path;  // of a unix socket

  // Opens it with a backlog. What is accepted from it has TCP_NODELAY; the
  // client's SYN is kept for TCPSYN where the kernel can. An inherited one is
  // set so as well, and not to block: who else has it must expect that. An
  // abandoned unix socket is replaced. A descriptor that does not listen is a
  // permanent error.
  static Result<Listener> open(const ListenAt &at, int backlog);
};

// Returns the port of a number or of a service's name: those of mail are known,
// others are looked up in /etc/services.
std::optional<std::uint16_t> parse_port(std::string_view text);

}  // namespace moat
