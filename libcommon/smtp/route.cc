#include "libcommon/smtp/route.h"

#include <algorithm>
#include <optional>

#include "libcommon/base/text.h"

namespace moat {
namespace {

constexpr std::uint16_t smtp_port = 25;
constexpr std::uint16_t lmtp_port = 24;
constexpr std::size_t max_host = 255;
constexpr std::size_t max_path = 107;  // sockaddr_un

bool take_prefix(std::string_view &text, std::string_view prefix) {
  if (!starts_with_nocase(text, prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool is_host(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.' || c == ':' || c == '_';
  };
  return !text.empty() && text.size() <= max_host &&
         std::all_of(text.begin(), text.end(), fits);
}

// Splits HOST[:PORT]; a port that is none of 1 to 65535 is not there at all.
bool split_host(std::string_view text, SmtpRoute &route) {
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return false;
    route.host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    has_port = !text.empty();
    if (has_port && text.front() != ':') return false;
    if (has_port) port = text.substr(1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    route.host = take_until(text, ':');
    port = text;
    has_port = true;
  } else {
    route.host = text;  // two colons and more: an IPv6 address
  }
  if (!has_port) return is_host(route.host);
  const auto number = parse_number(port, 1, 65535);
  route.port = static_cast<std::uint16_t>(number.value_or(0));
  return number && is_host(route.host);
}

}  // namespace

Result<SmtpRoute> SmtpRoute::parse(std::string_view text) {
  const std::string whole(text);
  SmtpRoute route;
  std::optional<bool> lmtp;
  if (take_prefix(text, "lmtp:")) lmtp = true;
  if (!lmtp && take_prefix(text, "smtp:")) lmtp = false;
  if (take_prefix(text, "unix:")) {
    route.path = text;
    route.lmtp = lmtp.value_or(true);
    if (text.empty() || text.size() > max_path)
      return permanent_error("bad route: " + whole);
    return route;
  }
  if (!split_host(text, route)) return permanent_error("bad route: " + whole);
  route.lmtp = lmtp.value_or(route.port == lmtp_port);
  if (route.port == 0) route.port = route.lmtp ? lmtp_port : smtp_port;
  return route;
}

std::string SmtpRoute::text() const {
  if (!path.empty()) return "unix:" + path;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace moat
