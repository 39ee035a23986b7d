#include "libcommon/base/result.h"

#include <cerrno>
#include <cstring>

namespace moat {

Error system_error(std::string_view what) {
  const char *reason = std::strerror(errno);
  return {true, std::string(what) + ": " + reason};
}

}  // namespace moat
