// Connecting to the server that a route names.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/clock.h"
#include "libcommon/base/fd.h"
#include "libcommon/base/result.h"
#include "libcommon/net/ip_address.h"
#include "libcommon/smtp/route.h"

namespace moat {

// Returns the addresses that `hosts`, a text in the form of /etc/hosts, has for a
// name in any case, in its order; an address names itself, and localhost is
// 127.0.0.1 and ::1 whatever the text says.
std::vector<IpAddress> addresses_of(std::string_view name, std::string_view hosts);

// Connects; tries a name's addresses one after the other. The socket does not
// block. All errors are temporary.
Result<Fd> connect_to(const SmtpRoute &route, Deadline deadline);

}  // namespace moat
