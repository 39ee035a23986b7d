#include "libcommon/queue/body_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <string_view>

#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/crypto/crypto.h"

namespace moat {
namespace {

// The sum runs over pieces of this size, the last one shorter: part of the format.
constexpr std::size_t piece_size = std::size_t{256} << 10U;
constexpr std::size_t name_octets = 12;  // nobody else's by chance: 96 bits

std::string new_name() { return to_hex(random_octets(name_octets)); }

Error shorter() { return permanent_error("message shorter than its size"); }

// Fills the buffer as far as the file goes. Reads at a place of its own: the
// offset is shared with whoever handed us the descriptor.
Result<std::size_t> read_at(int fd, char *buffer, std::size_t size, std::uint64_t at) {
  std::size_t filled = 0;
  while (filled < size) {
    const auto count =
        ::pread(fd, buffer + filled, size - filled, static_cast<off_t>(at + filled));
    if (count > 0) filled += static_cast<std::size_t>(count);
    if (count == 0) break;
    if (count < 0 && errno != EINTR) return system_error("read message");
  }
  return filled;
}

// Calls with the message's octets, piece by piece.
Status each_piece(const Message &message,
                  const std::function<Status(std::string_view)> &call) {
  std::string buffer;
  if (message.fd >= 0) buffer.resize(std::min<std::uint64_t>(message.size, piece_size));
  const std::uint64_t size = message.fd < 0 ? message.octets.size() : message.size;
  for (std::uint64_t at = 0; at < size; at += piece_size) {
    const std::size_t wanted = std::min<std::uint64_t>(piece_size, size - at);
    std::string_view piece = message.octets.substr(std::min(at, message.octets.size()));
    if (message.fd >= 0) {
      const auto count = read_at(message.fd, buffer.data(), wanted, at);
      if (!count) return count.error();
      if (*count < wanted) return shorter();
      piece = buffer;
    }
    const auto called = call(piece.substr(0, wanted));
    if (!called) return called;
  }
  return done;
}

}  // namespace

Result<BodyFolder::File> BodyFolder::write(const Message &message) const {
  File file{new_name(), 0, Fd()};
  const std::string path = path_of(file.name);
  file.fd.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.fd) return system_error(path);
  const auto copied = each_piece(message, [&](std::string_view piece) {
    file.sum = checksum64(piece, file.sum);
    return write_all(file.fd.get(), piece);
  });
  if (!copied || ::fsync(file.fd.get()) != 0) {
    Error error = copied ? system_error("fsync " + path) : copied.error();
    ::unlink(path.c_str());
    return error;
  }
  return file;
}

Result<BodyFolder::File> BodyFolder::link(const std::string &name,
                                          std::uint64_t sum) const {
  File file{new_name(), sum, Fd()};
  const std::string path = path_of(file.name);
  if (::link(path_of(name).c_str(), path.c_str()) != 0) return system_error(path);
  auto opened = open(file.name);
  if (!opened) {
    ::unlink(path.c_str());
    return opened.error();
  }
  file.fd = std::move(*opened);
  return file;
}

Status BodyFolder::sync() const { return sync_folder(path_); }

bool BodyFolder::is_there(const File &file) {
  struct stat info{};
  return ::fstat(file.fd.get(), &info) == 0 && info.st_nlink > 0;
}

Result<Fd> BodyFolder::open(const std::string &name) const {
  const std::string path = path_of(name);
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return system_error(path);
  return fd;
}

void BodyFolder::remove(const std::string &name) const {
  ::unlink(path_of(name).c_str());
}

Result<std::vector<std::string>> BodyFolder::untouched_since(std::int64_t time) const {
  const auto close = [](DIR *folder) { ::closedir(folder); };
  const std::unique_ptr<DIR, decltype(close)> folder(::opendir(path_.c_str()), close);
  if (!folder) return system_error(path_);
  std::vector<std::string> names;
  while (const dirent *entry = ::readdir(folder.get())) {
    const char *name = static_cast<const char *>(entry->d_name);
    struct stat info{};
    if (::fstatat(::dirfd(folder.get()), name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISREG(info.st_mode)) continue;
    if (std::max(info.st_mtim.tv_sec, info.st_ctim.tv_sec) < time)
      names.emplace_back(name);
  }
  return names;
}

Result<std::uint64_t> body_sum(const Message &message) {
  std::uint64_t sum = 0;
  const auto read = each_piece(message, [&](std::string_view piece) {
    sum = checksum64(piece, sum);
    return Status(done);
  });
  if (!read) return read.error();
  return sum;
}

Result<std::string> read_message_octets(int fd, std::uint64_t size) {
  std::string octets(size, '\0');
  const auto count = read_at(fd, octets.data(), size, 0);
  if (!count) return count.error();
  if (*count < size) return shorter();
  return octets;
}

}  // namespace moat
