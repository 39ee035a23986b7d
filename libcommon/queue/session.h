// The session's variables that go along with a message.

#pragma once

#include <span>
#include <string_view>

#include "libcommon/base/environment.h"

namespace moat {

// The names of the fixed list, in order: of TCP*, SSL*, RELAYCLIENT, SMTPAUTH*
// and MOAT_* those that tell who sent the message and what was found.
std::span<const std::string_view> session_variables();

// Keeps the variables of that list. Under another UCSPI server the client's
// address comes as $PROTO has it and goes on as TCPREMOTEIP and its like.
Environment session_of(const Environment &environment);

}  // namespace moat
