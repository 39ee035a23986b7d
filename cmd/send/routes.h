// The administrator's routes for domains that are not ours.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "libcommon/base/result.h"

namespace moat {

class Routes {
 public:
  // Parses lines "DOMAIN ROUTE" (SmtpRoute::parse); '#' begins a comment, "*" is
  // for every other domain. A wrong line, or a domain twice, is a permanent
  // error that names the line.
  static Result<Routes> parse(std::string_view text);

  // Reads a file of at most 4 MiB; an empty path, or where `optional` a missing
  // file, is no routes.
  static Result<Routes> read(const std::string &path, bool optional);

  // Returns the route for a domain, in any case; nullopt when there is none.
  std::optional<std::string> find(std::string_view domain) const;

 private:
  std::map<std::string, std::string, std::less<>> routes_;
};

}  // namespace moat
