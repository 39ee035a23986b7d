#include "libcommon/net/proxy_header.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "libcommon/base/text.h"

namespace moat {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view signature_v2 = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t fixed_v2 = 16;     // signature, command, family, length
constexpr std::size_t longest_v1 = 107;  // with its CRLF
constexpr std::size_t max_text = 64;     // of what TLS says

unsigned octet_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

unsigned short_at(std::string_view text, std::size_t at) {
  return octet_at(text, at) << 8U | octet_at(text, at + 1);
}

// Returns a port as version 1 writes it: no leading zeros.
std::optional<std::uint16_t> parse_port_v1(std::string_view text) {
  const auto number = parse_number(text, 0, UINT16_MAX);
  if (!number || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

IpAddress address_at(std::string_view octets, std::size_t at, bool v4) {
  std::array<std::uint8_t, 16> bytes{};
  if (v4) {
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(bytes.data() + 12, octets.data() + at, 4);
  } else {
    std::memcpy(bytes.data(), octets.data() + at, 16);
  }
  return IpAddress::from_bytes(bytes);
}

// Returns the text if it can stand in a header field and a log line.
std::string printable(std::string_view text) {
  const auto plain = [](unsigned char c) { return c > ' ' && c < 0x7f; };
  const bool fits =
      text.size() <= max_text && std::all_of(text.begin(), text.end(), plain);
  return fits ? std::string(text) : std::string();
}

// Takes one type-length-value off the front; nullopt when it is cut short.
struct Tlv {
  unsigned type;
  std::string_view value;
};
std::optional<Tlv> take_tlv(std::string_view &octets) {
  if (octets.size() < 3) return std::nullopt;
  const std::size_t length = short_at(octets, 1);
  if (octets.size() < 3 + length) return std::nullopt;
  const Tlv tlv{octet_at(octets, 0), octets.substr(3, length)};
  octets.remove_prefix(3 + length);
  return tlv;
}

constexpr unsigned type_tls = 0x20;
constexpr unsigned type_tls_version = 0x21;
constexpr unsigned type_tls_cipher = 0x23;

bool parse_tls(std::string_view octets, ProxyHeader &header) {
  if (octets.size() < 5) return false;
  header.tls = (octet_at(octets, 0) & 1U) != 0;
  octets.remove_prefix(5);
  while (!octets.empty()) {
    const auto tlv = take_tlv(octets);
    if (!tlv) return false;
    if (tlv->type == type_tls_version) header.protocol = printable(tlv->value);
    if (tlv->type == type_tls_cipher) header.cipher = printable(tlv->value);
  }
  return true;
}

// How much of a header is known to come: grows as the header is read.
std::size_t wanted(std::string_view octets) {
  if (octets.size() < fixed_v2) return fixed_v2;
  return fixed_v2 + short_at(octets, 14);
}

}  // namespace

std::size_t ProxyParser::feed(std::string_view octets) {
  std::size_t used = 0;
  while (state_ == State::more && used < octets.size()) {
    const std::string_view rest = octets.substr(used);
    std::size_t count = 1;
    if (octets_.empty()) {
      if (rest[0] != 'P' && rest[0] != '\r') {
        state_ = State::bad;
        break;
      }
    } else if (octets_[0] == 'P') {
      // No header ends before the first newline, so all up to there is its own.
      const auto newline = rest.find('\n');
      count = newline == std::string_view::npos ? rest.size() : newline + 1;
      count = std::min(count, longest_v1 + 1 - octets_.size());
    } else {
      count = std::min(rest.size(), wanted(octets_) - octets_.size());
    }
    octets_.append(rest.substr(0, count));
    used += count;
    parse();
  }
  return used;
}

void ProxyParser::parse() {
  if (octets_[0] == 'P') {
    static constexpr std::string_view start = "PROXY ";
    const auto known = std::min(octets_.size(), start.size());
    if (std::string_view(octets_).substr(0, known) != start.substr(0, known) ||
        octets_.size() > longest_v1) {
      state_ = State::bad;
    } else if (octets_.back() == '\n') {
      state_ = parse_v1() ? State::complete : State::bad;
    }
    return;
  }
  const auto known = std::min(octets_.size(), signature_v2.size());
  if (std::string_view(octets_).substr(0, known) != signature_v2.substr(0, known) ||
      wanted(octets_) > max_size) {
    state_ = State::bad;
  } else if (octets_.size() >= fixed_v2 && octets_.size() == wanted(octets_)) {
    state_ = parse_v2() ? State::complete : State::bad;
  }
}

// "PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n"
bool ProxyParser::parse_v1() {
  std::string_view text(octets_);
  if (!text.ends_with("\r\n")) return false;
  text.remove_suffix(2);
  text.remove_prefix(6);
  const std::string_view family = take_until(text, ' ');
  if (family == "UNKNOWN") {
    header_.local = true;
    return true;
  }
  const auto source = IpAddress::parse(take_until(text, ' '));
  const auto destination = IpAddress::parse(take_until(text, ' '));
  const auto source_port = parse_port_v1(take_until(text, ' '));
  const auto destination_port = parse_port_v1(text);
  if (!source || !destination || !source_port || !destination_port) return false;
  if (family != "TCP4" && family != "TCP6") return false;
  if (family == "TCP4" && (!source->is_v4() || !destination->is_v4())) return false;
  header_.source = *source;
  header_.destination = *destination;
  header_.source_port = *source_port;
  header_.destination_port = *destination_port;
  return true;
}

bool ProxyParser::parse_v2() {
  const std::string_view text(octets_);
  const unsigned command = octet_at(text, 12);
  const unsigned family = octet_at(text, 13);
  if (command == 0x20) {
    header_.local = true;  // whatever follows is skipped
    return true;
  }
  if (command != 0x21) return false;
  const bool v4 = family == 0x11;
  if (!v4 && family != 0x21) return false;  // TCP over either version, nothing else
  const std::size_t width = v4 ? 4 : 16;
  const std::size_t addresses = 2 * width + 4;
  if (text.size() < fixed_v2 + addresses) return false;
  header_.source = address_at(text, fixed_v2, v4);
  header_.destination = address_at(text, fixed_v2 + width, v4);
  header_.source_port = static_cast<std::uint16_t>(short_at(text, fixed_v2 + 2 * width));
  header_.destination_port =
      static_cast<std::uint16_t>(short_at(text, fixed_v2 + 2 * width + 2));
  std::string_view extra = text.substr(fixed_v2 + addresses);
  while (!extra.empty()) {
    const auto tlv = take_tlv(extra);
    if (!tlv) return false;
    if (tlv->type == type_tls && !parse_tls(tlv->value, header_)) return false;
  }
  return true;
}

}  // namespace moat
