#include "libcommon/message/spool.h"

#include <fcntl.h>
#include <stdlib.h>  // mkostemp

#include <utility>

#include "libcommon/base/io.h"

namespace moat {
namespace {

// A file system without O_TMPFILE gets a name for an instant.
Result<Fd> unlinked_file(const std::string &folder) {
  Fd file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600));
  if (file) return file;
  std::string path = folder + "/moat.XXXXXX";
  file.reset(::mkostemp(path.data(), O_CLOEXEC));
  if (!file) return system_error("temporary file in " + folder);
  ::unlink(path.c_str());
  return file;
}

}  // namespace

Status SpooledMessage::append(std::string_view octets) {
  size_ += octets.size();
  if (!file_ && size_ <= memory_) {
    text_ += octets;
    return done;
  }
  if (!file_) {
    const auto moved = move_to_file();
    if (!moved) return moved;
  }
  return write_all(file_.get(), octets);
}

Status SpooledMessage::move_to_file() {
  auto file = unlinked_file(folder_);
  if (!file) return file.error();
  file_ = std::move(*file);
  const std::string text = std::exchange(text_, {});
  return write_all(file_.get(), text);
}

}  // namespace moat
