#include "libcommon/net/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "libcommon/base/text.h"

namespace moat {
namespace {

constexpr std::array<std::uint8_t, 12> v4_prefix{0, 0, 0, 0, 0,    0,
                                                 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned v4_offset = 96;  // bits of the mapped form before the address

// Returns the octet with only its first `bits` bits kept; 0 to 8.
std::uint8_t keep_bits(std::uint8_t octet, unsigned bits) {
  return static_cast<std::uint8_t>(octet & (0xff00U >> bits));
}

IpAddress masked(const IpAddress &address, unsigned length) {
  auto bytes = address.bytes();
  for (unsigned i = 0; i < bytes.size(); ++i) {
    const unsigned bits = length > i * 8 ? std::min(length - i * 8, 8U) : 0;
    bytes.at(i) = keep_bits(bytes.at(i), bits);
  }
  return IpAddress::from_bytes(bytes);
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  // inet_pton wants a C string, which would end early at a NUL byte.
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  if (text.size() >= INET6_ADDRSTRLEN) return std::nullopt;
  const std::string copy(text);

  IpAddress address;
  if (::inet_pton(AF_INET6, copy.c_str(), address.bytes_.data()) == 1) return address;

  std::copy(v4_prefix.begin(), v4_prefix.end(), address.bytes_.begin());
  auto *quad = address.bytes_.data() + v4_prefix.size();
  if (::inet_pton(AF_INET, copy.c_str(), quad) == 1) return address;

  return std::nullopt;
}

std::optional<IpAddress> IpAddress::from(const sockaddr *address) {
  IpAddress result;
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    std::copy(v4_prefix.begin(), v4_prefix.end(), result.bytes_.begin());
    std::memcpy(result.bytes_.data() + v4_prefix.size(), &in.sin_addr, 4);
    return result;
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in6{};
    std::memcpy(&in6, address, sizeof in6);
    std::memcpy(result.bytes_.data(), &in6.sin6_addr, 16);
    return result;
  }
  return std::nullopt;
}

IpAddress IpAddress::from_bytes(const std::array<std::uint8_t, 16> &bytes) {
  IpAddress address;
  address.bytes_ = bytes;
  return address;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  if (is_v4()) {
    const auto *quad = bytes_.data() + v4_prefix.size();
    ::inet_ntop(AF_INET, quad, buffer.data(), buffer.size());
  } else {
    ::inet_ntop(AF_INET6, bytes_.data(), buffer.data(), buffer.size());
  }
  return buffer.data();
}

std::string IpAddress::literal() const {
  return (is_v4() ? "[" : "[IPv6:") + text() + "]";
}

bool IpAddress::is_v4() const {
  return std::equal(v4_prefix.begin(), v4_prefix.end(), bytes_.begin());
}

bool IpAddress::is_loopback() const {
  static constexpr std::array<std::uint8_t, 16> six{0, 0, 0, 0, 0, 0, 0, 0,
                                                    0, 0, 0, 0, 0, 0, 0, 1};
  return is_v4() ? bytes_[12] == 127 : bytes_ == six;
}

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned widest = address->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos) return of(*address, widest);
  const auto length = parse_number(text.substr(slash + 1), 0, widest);
  if (!length) return std::nullopt;
  const IpNetwork network = of(*address, static_cast<unsigned>(*length));
  if (network.address_ != *address) return std::nullopt;
  return network;
}

IpNetwork IpNetwork::of(const IpAddress &address, unsigned length) {
  const unsigned mapped = address.is_v4() ? length + v4_offset : length;
  return {masked(address, mapped), mapped};
}

// An IPv4 address lies in ::/0 only by the way it is written down here.
bool IpNetwork::contains(const IpAddress &address) const {
  if (address.is_v4() && length_ < v4_offset) return false;
  return masked(address, length_) == address_;
}

std::string IpNetwork::text() const {
  if (length_ == 128) return address_.text();
  const bool v4 = address_.is_v4() && length_ >= v4_offset;
  return address_.text() + "/" + std::to_string(v4 ? length_ - v4_offset : length_);
}

}  // namespace moat
