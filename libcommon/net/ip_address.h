// IP addresses and networks, of either version.

#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct sockaddr;
struct sockaddr_storage;

namespace moat {

// An IPv4 or IPv6 address. An IPv4 address equals its IPv4-mapped IPv6 form
// (::ffff:192.0.2.1), as both are the same client seen by different servers.
class IpAddress {
 public:
  // Parses a dotted quad or the IPv6 text form, without brackets or scope.
  // Returns nullopt for anything else.
  static std::optional<IpAddress> parse(std::string_view text);

  // Takes the address out of what accept(2) or getpeername(2) filled in;
  // nullopt for another family.
  static std::optional<IpAddress> from(const sockaddr *address);

  // Makes one of 16 octets in network order.
  static IpAddress from_bytes(const std::array<std::uint8_t, 16> &bytes);

  // Returns the shortest text form: "192.0.2.1", "2001:db8::1".
  std::string text() const;

  // Returns the form of SMTP: "[192.0.2.1]", "[IPv6:2001:db8::1]".
  std::string literal() const;

  bool is_v4() const;
  bool is_loopback() const;

  // 16 octets in network order; an IPv4 address is in its mapped form.
  const std::array<std::uint8_t, 16> &bytes() const { return bytes_; }

  friend auto operator<=>(const IpAddress &, const IpAddress &) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

// A network: the addresses that share their first bits.
class IpNetwork {
 public:
  // Parses "192.0.2.0/24", "2001:db8::/32", or an address alone. Bits beyond
  // the length must be zero.
  static std::optional<IpNetwork> parse(std::string_view text);

  // Returns the network of `address` with a length of 0 to 32 for an IPv4
  // address, 0 to 128 for another.
  static IpNetwork of(const IpAddress &address, unsigned length);

  bool contains(const IpAddress &address) const;

  // Returns "192.0.2.0/24"; a single address without a length.
  std::string text() const;

  const IpAddress &address() const { return address_; }
  unsigned mapped_length() const { return length_; }  // of the 128 bits

  friend auto operator<=>(const IpNetwork &, const IpNetwork &) = default;

 private:
  IpNetwork(const IpAddress &address, unsigned length)
      : address_(address), length_(length) {}
  IpAddress address_;  // bits beyond the length are zero
  unsigned length_;    // 0 to 128; an IPv4 network has 96 or more
};

}  // namespace moat
