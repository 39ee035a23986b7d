#include "libcommon/queue/error_text.h"

#include <sys/stat.h>

#include <algorithm>
#include <climits>
#include <optional>
#include <string>

#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/queue/submit.h"

namespace moat {
namespace {

constexpr std::size_t max_text = 254;    // and 'D' or 'Z' before it
constexpr Milliseconds patience{5'000};  // for a caller that does not read

// A regular file there is something of the caller's own, not for us to write to.
bool takes_text(int fd) {
  struct stat info{};
  return ::fstat(fd, &info) == 0 && (S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode));
}

struct Place {
  int fd;
  int code;
};

std::optional<Place> place_for_text(const Environment &environment) {
  const auto named = environment.get("ERROR_FD");
  if (named && *named != "-1") {
    const auto number = parse_number(*named, 0, INT_MAX);
    const int fd = number ? static_cast<int>(*number) : -1;
    if (fd > 2 && takes_text(fd)) return Place{fd, queue_text_fd};
  }
  for (const int fd : {6, 4}) {
    if (takes_text(fd)) return Place{fd, queue_text};
  }
  return std::nullopt;
}

}  // namespace

int refuse_with_text(const Environment &environment, bool permanent,
                     std::string_view text) {
  const auto place = place_for_text(environment);
  if (place) {
    std::string line(1, permanent ? 'D' : 'Z');
    line += text.substr(0, max_text);
    const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
    std::replace_if(line.begin(), line.end(), is_control, '?');
    if (write_all(place->fd, line, Deadline::after(patience))) return place->code;
  }
  return permanent ? queue_refused : queue_refused_for_now;
}

}  // namespace moat
