// Seam one: what a UCSPI server tells a session, and what it must not inherit.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libcommon/base/environment.h"
#include "libcommon/net/ip_address.h"

namespace moat {

// Unsets every variable of a session that some caller may have left: TCP*,
// TCP6*, SSL*, UNIX*, PROTO, SMTPAUTH*, per-session MOAT_*, RELAYCLIENT,
// RBLSMTPD, ERROR_FD.
void unset_session(Environment &environment);

// Returns the client's address as the server before us said it; nullopt when it
// is unset or no address.
std::optional<IpAddress> client_address(const Environment &environment);

}  // namespace moat
