// Where things are: the folders of interfaces.md, section 1.

#pragma once

#include <string>

#include "libcommon/base/environment.h"
#include "libcommon/base/result.h"

namespace moat {

struct Places {
  std::string etc;    // MOAT_ETC: env/, rules, routes, tls/
  std::string dir;    // MOAT_DIR: control/, relay/, secrets/, state/
  std::string spool;  // MOAT_SPOOL: the queue
  std::string run;    // MOAT_RUN: sockets
  std::string mail;   // MOAT_MAIL: DOMAIN/LOCALPART

  // Reads the five variables. Where MOAT_DIR is set and another is not, that
  // one is etc, spool, run or mail under MOAT_DIR.
  static Places from(const Environment &environment);
};

// Returns this server's name, lower case: MOAT_ME, else the first word of
// /etc/mailname, else the host name where it has a dot. None of them is a
// permanent error, and so is one that is no host name.
Result<std::string> server_name(const Environment &environment);

}  // namespace moat
