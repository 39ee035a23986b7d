// Routes: where mail for a domain goes, as the administrator wrote it.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libcommon/base/result.h"

namespace moat {

struct SmtpRoute {
  bool lmtp = false;
  std::string host;        // a name or an address without brackets
  std::uint16_t port = 0;  // of host
  std::string path;        // of a unix socket; then host is empty

  // Parses "[smtp:|lmtp:]HOST[:PORT]" or "[smtp:|lmtp:]unix:PATH". An IPv6
  // address with a port stands in brackets. Without a word in front a unix
  // socket and port 24 mean LMTP, all else SMTP; without a port it is 25, with
  // "lmtp:" 24. Anything else is a permanent error.
  static Result<SmtpRoute> parse(std::string_view text);

  // Returns "HOST:PORT", "[ADDRESS]:PORT" or "unix:PATH", for texts.
  std::string text() const;
};

}  // namespace moat
