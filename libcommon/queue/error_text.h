// The error descriptor of the qmail-queue interface, seen from the program that
// is called.

#pragma once

#include <string_view>

#include "libcommon/base/environment.h"

namespace moat {

// Tells the caller in words why the message is refused, for good or for now, and
// returns what to exit with. The text goes to $ERROR_FD where that is set and
// not -1, else to 6, else to 4, whichever is an open pipe or socket; the code is
// 88 for $ERROR_FD, 82 for the other two, and 31 or 71 where there is nowhere
// to write. At most 254 octets of the text go; control octets become '?'.
int refuse_with_text(const Environment &environment, bool permanent,
                     std::string_view text);

}  // namespace moat
