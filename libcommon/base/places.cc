#include "libcommon/base/places.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "libcommon/base/io.h"
#include "libcommon/base/text.h"

namespace moat {
namespace {

bool is_host_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  return !name.empty() && name.size() <= 255 &&
         std::all_of(name.begin(), name.end(), fits);
}

}  // namespace

Places Places::from(const Environment &environment) {
  const std::string_view dir = environment.get_or("MOAT_DIR", "");
  const auto place = [&](std::string_view variable, std::string_view under,
                         std::string_view fallback) {
    const std::string_view own = environment.get_or(variable, "");
    if (!own.empty()) return std::string(own);
    return dir.empty() ? std::string(fallback)
                       : std::string(dir).append("/").append(under);
  };
  return {place("MOAT_ETC", "etc", "/etc/moat"),
          std::string(dir.empty() ? "/var/lib/moat" : dir),
          place("MOAT_SPOOL", "spool", "/var/spool/moat"),
          place("MOAT_RUN", "run", "/run/moat"),
          place("MOAT_MAIL", "mail", "/var/vmail")};
}

Result<std::string> server_name(const Environment &environment) {
  std::string name = to_lower(environment.get_or("MOAT_ME", ""));
  if (name.empty()) {
    if (const auto mailname = read_file("/etc/mailname", 4096)) {
      std::string_view text = *mailname;
      std::string_view line = take_line(text);
      name = to_lower(take_word(line));
    }
  }
  if (name.empty()) {
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) == 0) name = to_lower(host.data());
    if (name.find('.') == std::string::npos) name.clear();
  }
  if (name.empty()) {
    return permanent_error("this server has no name: set MOAT_ME or /etc/mailname");
  }
  if (!is_host_name(name)) return permanent_error("not a host name: " + name);
  return name;
}

}  // namespace moat
