// A message on its way through: in memory while it is small, in a file without
// a name when it is not.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libcommon/base/fd.h"
#include "libcommon/base/result.h"

namespace moat {

class SpooledMessage {
 public:
  static constexpr std::size_t default_memory = std::size_t{256} << 10U;

  // Keeps up to `memory` octets in memory, beyond that all of it in an unlinked
  // file of mode 0600 in `folder`, which is opened only then.
  explicit SpooledMessage(std::string folder, std::size_t memory = default_memory)
      : folder_(std::move(folder)), memory_(memory) {}

  // Adds octets. A temporary error says why the file could not take them; the
  // message is then incomplete and must not be used.
  Status append(std::string_view octets);

  // Whether it lies in a file: then text() is empty and fd() is its descriptor,
  // open for reading from 0 by pread or after a seek.
  bool in_file() const { return static_cast<bool>(file_); }
  std::string_view text() const { return text_; }
  int fd() const { return file_.get(); }
  std::uint64_t size() const { return size_; }

 private:
  Status move_to_file();

  std::string folder_;
  std::size_t memory_;
  std::string text_;  // with a file: what is not yet written
  Fd file_;
  std::uint64_t size_ = 0;
};

}  // namespace moat
