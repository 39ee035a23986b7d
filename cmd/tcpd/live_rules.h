// Access rules that are live: a change holds for the next connection.

#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

#include "libcommon/base/environment.h"
#include "libcommon/base/places.h"
#include "libcommon/net/access_rules.h"

namespace moat::tcpd {

class LiveRules {
 public:
  // The table `name` of the published directory.
  LiveRules(std::string name, const Environment &environment);

  // Returns the rules as they are now: reads them again when the published file
  // is another than last time. Nothing stays open. No such table, one for
  // names, or an unreadable directory is an error: admit nobody.
  const Result<AccessRules> &current();

 private:
  Result<AccessRules> read() const;

  std::string name_;
  Environment environment_;
  Places places_;
  std::string path_;
  struct stat seen_{};
  std::optional<Result<AccessRules>> rules_;
};

}  // namespace moat::tcpd
