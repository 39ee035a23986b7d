#include "libcommon/queue/session.h"

#include <array>

namespace moat {
namespace {

using namespace std::string_view_literals;

constexpr std::array names{
    "TCPREMOTEIP"sv,  "TCPREMOTEPORT"sv,  "TCPREMOTEHOST"sv, "TCPREMOTEINFO"sv,
    "TCPLOCALIP"sv,   "TCPLOCALPORT"sv,   "TCPLOCALHOST"sv,  "TCPCONNNUM"sv,
    "TCPSYN"sv,       "SSL_PROTOCOL"sv,   "SSL_CIPHER"sv,    "RELAYCLIENT"sv,
    "SMTPAUTHUSER"sv, "SMTPAUTHMETHOD"sv, "MOAT_SESSION"sv,  "MOAT_HELO"sv,
    "MOAT_PTR"sv,     "MOAT_SCORE"sv,     "MOAT_TAGS"sv,     "MOAT_DEADLINE"sv};

}  // namespace

std::span<const std::string_view> session_variables() { return names; }

Environment session_of(const Environment &environment) {
  Environment session;
  for (const std::string_view name : names) {
    const auto value = name.starts_with("TCP") ? environment.ucspi(name.substr(3))
                                               : environment.get(name);
    if (value) session.set_verbatim(name, *value);
  }
  return session;
}

}  // namespace moat
