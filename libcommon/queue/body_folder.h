// mess/: the files of large messages, one each, beside queue.mdb.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libcommon/base/fd.h"
#include "libcommon/base/result.h"
#include "libcommon/queue/submit.h"

namespace moat {

class BodyFolder {
 public:
  explicit BodyFolder(std::string path) : path_(std::move(path)) {}

  struct File {
    std::string name;
    std::uint64_t sum;  // body_sum() of the octets
    Fd fd;              // open while the message is not yet visible
  };

  // Writes the message's octets to a new file and syncs it; not yet the folder.
  // What fails leaves no file. A message shorter than it said is permanent.
  Result<File> write(const Message &message) const;

  // Gives a file's octets a second name of their own; not yet synced.
  Result<File> link(const std::string &name, std::uint64_t sum) const;

  // Syncs the names, so that they survive a crash.
  Status sync() const;

  // Whether a file that was written is still there: nobody took it for a
  // leftover. To be asked under the writer's lock.
  static bool is_there(const File &file);

  Result<Fd> open(const std::string &name) const;
  void remove(const std::string &name) const;

  // Returns the names of the files that nobody has touched since (wall seconds).
  Result<std::vector<std::string>> untouched_since(std::int64_t time) const;

  const std::string &path() const { return path_; }

 private:
  std::string path_of(const std::string &name) const { return path_ + "/" + name; }
  std::string path_;
};

// Returns the sum that tells a message's octets from damaged ones. Fewer octets
// than it says is a permanent error.
Result<std::uint64_t> body_sum(const Message &message);

// Reads exactly `size` octets of a message's descriptor from its start. Fewer is
// a permanent error: the descriptor was not what its owner said.
Result<std::string> read_message_octets(int fd, std::uint64_t size);

}  // namespace moat
