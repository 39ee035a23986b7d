#include "cmd/send/routes.h"

#include <sys/stat.h>

#include <cerrno>

#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/smtp/address.h"
#include "libcommon/smtp/route.h"

namespace moat {
namespace {

constexpr std::size_t max_file = std::size_t{4} << 20U;

bool is_key(std::string_view text) {
  return text == "*" || is_domain(text) || is_address_literal(text);
}

}  // namespace

Result<Routes> Routes::parse(std::string_view text) {
  Routes routes;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view rest = take_line(text);
    std::string_view line = take_until(rest, '#');
    const std::string domain = to_lower(take_word(line));
    if (domain.empty()) continue;
    const std::string_view route = take_word(line);
    const bool good = is_key(domain) && line.empty() && SmtpRoute::parse(route) &&
                      routes.routes_.emplace(domain, route).second;
    if (!good) {
      return permanent_error("line " + std::to_string(number) +
                             ": not DOMAIN ROUTE, or twice");
    }
  }
  return routes;
}

Result<Routes> Routes::read(const std::string &path, bool optional) {
  struct stat there{};
  if (path.empty()) return Routes();
  if (optional && ::stat(path.c_str(), &there) != 0 && errno == ENOENT) return Routes();
  const auto text = read_file(path, max_file);
  if (!text) return text.error();
  auto routes = parse(*text);
  if (!routes) return permanent_error(path + ": " + routes.error().what);
  return routes;
}

std::optional<std::string> Routes::find(std::string_view domain) const {
  auto found = routes_.find(to_lower(domain));
  if (found == routes_.end()) found = routes_.find("*");
  if (found == routes_.end()) return std::nullopt;
  return found->second;
}

}  // namespace moat
