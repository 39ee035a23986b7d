#include "libcommon/state/store_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include "libcommon/base/io.h"
#include "libcommon/state/environment.h"

namespace moat {
namespace {

// LMDB makes a fresh file of an empty one; where there was a file, that is loss.
constexpr off_t smallest_file = 1024;
constexpr std::uint64_t first_map_size = std::uint64_t{1} << 20U;
constexpr std::array<long, 4> network_magic{0x6969, 0x517B, 0xFF534D42, 0xFE534D42};
constexpr long shortest_nap = 20'000;  // nanoseconds
constexpr long longest_nap = 1'000'000;

Error missing(const std::string &path) {
  Error error = system_error(path);
  if (error.cause == Cause::missing) error.what += " (moat-statectl init makes it)";
  return error;
}

// Returns the line "BOOT-ID PID-NAMESPACE", or "" where the kernel does not say.
std::string neighbourhood() {
  const std::string boot = boot_id();
  std::array<char, 64> space{};
  const auto size = ::readlink("/proc/self/ns/pid", space.data(), space.size());
  if (boot.empty() || size <= 0) return "";
  return boot + " " + std::string(space.data(), static_cast<std::size_t>(size)) + "\n";
}

Result<std::string> read_neighbourhood(const Fd &file, const std::string &path) {
  std::array<char, 256> text{};
  const auto size = ::pread(file.get(), text.data(), text.size(), 0);
  if (size < 0) return system_error(path);
  return std::string(text.data(), static_cast<std::size_t>(size));
}

// Whether another process has the file open: it then holds a lock on the first
// octet of LMDB's lock file.
Result<bool> is_open_elsewhere(const std::string &path) {
  const Fd file(::open(lock_file_of(path).c_str(), O_RDWR | O_CLOEXEC));
  if (!file) return missing(lock_file_of(path));
  struct flock first{};
  first.l_type = F_WRLCK;
  first.l_len = 1;
  if (::fcntl(file.get(), F_OFD_GETLK, &first) != 0) return system_error(path);
  return first.l_type != F_UNLCK;
}

// The first to open the file says where it lives; who comes from elsewhere while
// it is open is refused.
Status enter_neighbourhood(const std::string &path) {
  const std::string ours = neighbourhood();
  const std::string writer = writer_file_of(path);
  const Fd file(::open(writer.c_str(), O_RDWR | O_CLOEXEC));
  if (!file) return missing(writer);
  const auto theirs = read_neighbourhood(file, writer);
  if (!theirs) return theirs.error();
  if (ours.empty() || *theirs == ours) return done;
  const auto open = is_open_elsewhere(path);
  if (!open) return open.error();
  if (*open && !theirs->empty()) {
    return temporary_error(path + ": in use from another PID namespace");
  }
  if (::pwrite(file.get(), ours.data(), ours.size(), 0) < 0 ||
      ::ftruncate(file.get(), static_cast<off_t>(ours.size())) != 0) {
    return system_error(writer);
  }
  return done;
}

Status set_owner(const std::string &path, mode_t mode, uid_t uid, gid_t gid) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file) return system_error(path);
  struct stat now{};
  if (::fstat(file.get(), &now) != 0) return system_error(path);
  const bool other_uid = uid != static_cast<uid_t>(-1) && uid != now.st_uid;
  const bool other_gid = gid != static_cast<gid_t>(-1) && gid != now.st_gid;
  if ((other_uid || other_gid) && ::fchown(file.get(), uid, gid) != 0) {
    return system_error("chown " + path);
  }
  if ((now.st_mode & 07777) != mode && ::fchmod(file.get(), mode) != 0) {
    return system_error("chmod " + path);
  }
  // A file that came back as somebody else's would be of no use to its users.
  if ((other_uid || other_gid || (now.st_mode & 07777) != mode) &&
      ::fsync(file.get()) != 0) {
    return system_error("fsync " + path);
  }
  return done;
}

}  // namespace

std::string lock_file_of(const std::string &path) { return path + "-lock"; }
std::string writer_file_of(const std::string &path) { return path + ".writer"; }

std::string boot_id() {
  const auto text = read_file("/proc/sys/kernel/random/boot_id", 64);
  return text ? text->substr(0, text->find('\n')) : "";
}

std::string folder_of(const std::string &path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

Status make_store_file(const std::string &path) {
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  {
    LmdbFile file;
    auto opened = file.open(fresh, MDB_NOLOCK, first_map_size);
    if (!opened) return opened;
  }
  const Fd file(::open(fresh.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || ::fsync(file.get()) != 0) return system_error(fresh);
  if (::rename(fresh.c_str(), path.c_str()) != 0) return system_error("rename " + fresh);
  return done;
}

Status move_in_place(const std::string &path, const std::string &model,
                     const std::string &to) {
  struct stat like{};
  if (::stat(model.c_str(), &like) != 0) return system_error(model);
  const Fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return system_error(path);
  // Who is not root keeps the file as his own.
  if (::geteuid() == 0 && ::fchown(file.get(), like.st_uid, like.st_gid) != 0) {
    return system_error("chown " + path);
  }
  if (::fchmod(file.get(), like.st_mode & 07777U) != 0) return system_error(path);
  if (::fsync(file.get()) != 0) return system_error("fsync " + path);
  if (::rename(path.c_str(), to.c_str()) != 0) return system_error("rename " + path);
  return sync_folder(folder_of(to));
}

Status check_store_file(const std::string &path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return missing(path);
  if (!S_ISREG(status.st_mode)) return temporary_error(path + ": not a file");
  if (status.st_size < smallest_file) {
    return Error{true, path + ": damaged: no head", Cause::damaged};
  }
  return done;
}

Status check_store_files(const std::string &path) {
  auto whole = check_store_file(path);
  if (!whole) return whole;
  if (::access(lock_file_of(path).c_str(), F_OK) != 0) return missing(lock_file_of(path));
  struct statfs system{};
  if (::statfs(path.c_str(), &system) != 0) return system_error(path);
  if (std::find(network_magic.begin(), network_magic.end(), system.f_type) !=
      network_magic.end()) {
    return temporary_error(path + ": on a network file system");
  }
  return enter_neighbourhood(path);
}

Status confirm_store_files(const std::string &path) {
  const Fd file(::open(writer_file_of(path).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return missing(writer_file_of(path));
  const auto theirs = read_neighbourhood(file, path);
  if (!theirs) return theirs.error();
  const std::string ours = neighbourhood();
  if (ours.empty() || *theirs == ours) return done;
  return temporary_error(path + ": in use from another PID namespace");
}

Status Store::create(const std::string &path, mode_t mode, uid_t uid, gid_t gid) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) return system_error(path);
    auto made = make_store_file(path);
    if (!made) return made;
  } else if (!S_ISREG(status.st_mode)) {
    return permanent_error(path + ": not a file");
  }
  for (const std::string &each : {path, lock_file_of(path), writer_file_of(path)}) {
    auto fit = set_owner(each, mode, uid, gid);
    if (!fit) return fit;
  }
  return sync_folder(folder_of(path));
}

Result<WriterLock> WriterLock::take(const std::string &store_path, Deadline deadline) {
  const std::string path = writer_file_of(store_path);
  Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return missing(path);
  struct flock whole{};
  whole.l_type = F_WRLCK;
  // No lock call waits with a bound: hence tries, ever further apart.
  for (long nap = shortest_nap;; nap = std::min(nap * 2, longest_nap)) {
    if (::fcntl(fd.get(), F_OFD_SETLK, &whole) == 0) return WriterLock(std::move(fd));
    if (errno != EAGAIN && errno != EACCES && errno != EINTR) return system_error(path);
    if (deadline.passed()) {
      return Error{true, store_path + ": another process is writing", Cause::busy};
    }
    const timespec time{0, nap};
    ::nanosleep(&time, nullptr);
  }
}

}  // namespace moat
