// Reading and writing with bounds and deadlines.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "libcommon/base/clock.h"
#include "libcommon/base/fd.h"
#include "libcommon/base/result.h"

namespace moat {

// Waits until the descriptor can be read (or has ended). Returns false when the
// deadline passed first.
Result<bool> wait_readable(int fd, Deadline deadline);
Result<bool> wait_writable(int fd, Deadline deadline);

// Reads at most `size` octets as soon as any are there; 0 is the end. A passed
// deadline is the temporary error "timed out". O_NONBLOCK is never set: another
// process may share the descriptor.
Result<std::size_t> read_some(int fd, char *buffer, std::size_t size, Deadline deadline);

// Writes all of it. A passed deadline is the temporary error "timed out"; a
// reader who went away is EPIPE, never SIGPIPE on a socket.
Status write_all(int fd, std::string_view octets, Deadline deadline = Deadline::never());

// Reads to the end. More than `max_size` octets is a permanent error.
Result<std::string> read_all(int fd, std::size_t max_size,
                             Deadline deadline = Deadline::never());

// Reads a file of at most `max_size` octets. The error is temporary when it
// cannot be read, permanent when it is too big; both name the path.
Result<std::string> read_file(const std::string &path, std::size_t max_size);

// Writes a file so that after a crash it is either the old one or the new one:
// a temporary beside it, fsync, rename, fsync of the folder. Mode 0644 before
// umask unless said.
Status replace_file(const std::string &path, std::string_view octets,
                    unsigned mode = 0644);

// Syncs a folder, so that the names in it survive a crash.
Status sync_folder(const std::string &path);

// Reads a descriptor line by line.
class LineReader {
 public:
  // Does not own the descriptor. A line over `max_line` octets is an error.
  LineReader(int fd, std::size_t max_line) : fd_(fd), max_line_(max_line) {}

  struct Line {
    bool end;          // nothing more came, and `text` is empty
    std::string text;  // without its newline; a last line may lack one
  };
  Result<Line> next(Deadline deadline);

 private:
  int fd_;
  std::size_t max_line_;
  std::string buffer_;
  bool ended_ = false;
};

}  // namespace moat
