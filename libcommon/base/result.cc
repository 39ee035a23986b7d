#include "libcommon/base/result.h"

#include <cerrno>
#include <cstring>

namespace moat {

Error system_error(std::string_view what) {
  Cause cause = Cause::other;
  if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG) cause = Cause::full;
  if (errno == ENOENT) cause = Cause::missing;
  const char *reason = std::strerror(errno);
  return {true, std::string(what) + ": " + reason, cause};
}

}  // namespace moat
