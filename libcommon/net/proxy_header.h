// The header that a proxy puts before the client's first octet: PROXY protocol,
// versions 1 and 2 (haproxy.org/download/2.9/doc/proxy-protocol.txt).

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libcommon/net/ip_address.h"

namespace moat {

// What a header says.
struct ProxyHeader {
  bool local = false;  // the proxy speaks for itself (LOCAL, UNKNOWN)
  IpAddress source;    // the rest only when not `local`
  IpAddress destination;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  bool tls = false;      // version 2: the client came over TLS
  std::string protocol;  // of TLS: "TLSv1.3"; printable, 64 octets at most
  std::string cipher;
};

// Reads a header from octets as they come, and not one octet more.
class ProxyParser {
 public:
  static constexpr std::size_t max_size = 536;  // octets of a header

  enum class State : char {
    more,      // feed more
    complete,  // header() is there
    bad,       // it is no header, or over its bound: close
  };

  // Looks at what came, and returns how many of these octets belong to the
  // header; the next call gets what follows them. None once complete or bad.
  std::size_t feed(std::string_view octets);

  State state() const { return state_; }
  const ProxyHeader &header() const { return header_; }

 private:
  void parse();
  bool parse_v1();
  bool parse_v2();

  std::string octets_;
  State state_ = State::more;
  ProxyHeader header_;
};

}  // namespace moat
