#include "libcommon/net/ucspi.h"

namespace moat {

void unset_session(Environment &environment) {
  for (const char *prefix : {"TCP", "SSL", "UNIXLOCAL", "UNIXREMOTE", "SMTPAUTH"}) {
    environment.unset_prefix(prefix);
  }
  for (const char *name :
       {"PROTO", "RELAYCLIENT", "RBLSMTPD", "ERROR_FD", "MOAT_SESSION", "MOAT_PTR",
        "MOAT_SCORE", "MOAT_TAGS", "MOAT_VERDICT", "MOAT_TARPIT", "MOAT_HELO",
        "MOAT_DEADLINE", "MOAT_HANDOVER"}) {
    environment.unset(name);
  }
}

std::optional<IpAddress> client_address(const Environment &environment) {
  const auto text = environment.ucspi("REMOTEIP");
  return text ? IpAddress::parse(*text) : std::nullopt;
}

}  // namespace moat
