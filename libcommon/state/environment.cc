#include "libcommon/state/environment.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace moat {
namespace {

constexpr unsigned file_mode = 0600;

Cause cause_of(int code) {
  switch (code) {
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return Cause::full;
    case MDB_READERS_FULL: return Cause::busy;
    case MDB_VERSION_MISMATCH: return Cause::newer;
    case ENOENT: return Cause::missing;
    case lmdb_fault:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PAGE_FULL:
    case MDB_CURSOR_FULL:
    case MDB_PANIC:
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_TXN:
    case MDB_BAD_DBI: return Cause::damaged;
    default: return Cause::other;
  }
}

}  // namespace

Error lmdb_error(int code, const std::string &path, std::string_view what) {
  std::string text = path;
  text.append(": ").append(what);
  const Cause cause = cause_of(code);
  if (cause == Cause::damaged) text += ": damaged";
  if (cause == Cause::newer) text += ": written by a newer LMDB";
  if (code != lmdb_fault) text.append(": ").append(::mdb_strerror(code));
  return {true, text, cause};
}

LmdbFile::~LmdbFile() {
  if (env_ == nullptr || !is_ours()) return;
  const FaultGuard guard;
  guarded([&] {
    ::mdb_env_close(env_);
    return 0;
  });
}

bool LmdbFile::is_ours() const { return published_ || ::getpid() == pid_; }

Error LmdbFile::fail(int code, std::string_view what) {
  Error error = lmdb_error(code, path_, what);
  if (error.cause == Cause::damaged) failed_ = true;
  return error;
}

Status LmdbFile::open(const std::string &path, unsigned flags, std::uint64_t map_size) {
  path_ = path;
  pid_ = ::getpid();
  published_ = (flags & MDB_NOLOCK) != 0 && (flags & MDB_RDONLY) != 0;
  const FaultGuard guard;
  int code = ::mdb_env_create(&env_);
  if (code != 0) return fail(code, "open");
  ::mdb_env_set_maxreaders(env_, reader_slots);
  ::mdb_env_set_assert(env_, [](MDB_env *, const char *) { FaultGuard::leave(); });
  if (map_size != 0) ::mdb_env_set_mapsize(env_, map_size);
  // NOTLS ties a reader slot to the transaction.
  code = guarded([&] {
    return ::mdb_env_open(env_, path.c_str(), flags | MDB_NOSUBDIR | MDB_NOTLS,
                          file_mode);
  });
  if (code != 0) {
    Error error = fail(code, "open");
    if (code == lmdb_fault) env_ = nullptr;  // half open: closing it might fault again
    return error;
  }
  close_on_exec();
  const auto txn = begin(MDB_RDONLY);
  if (!txn) return txn.error();
  code = guarded([&] { return ::mdb_dbi_open(*txn, nullptr, 0, &table_); });
  const int ended = guarded([&] {
    ::mdb_txn_abort(*txn);
    return 0;
  });
  if (code != 0 || ended != 0) return fail(code != 0 ? code : ended, "open");
  return done;
}

// LMDB sets it for its other descriptors alone.
void LmdbFile::close_on_exec() const {
  int fd = -1;
  if (::mdb_env_get_fd(env_, &fd) == 0) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

Result<MDB_txn *> LmdbFile::begin(unsigned flags) {
  if (failed_) return Error{true, path_ + ": damaged", Cause::damaged};
  if (!is_ours()) return permanent_error(path_ + ": was opened before a fork");
  MDB_txn *txn = nullptr;
  const auto attempt = [&] {
    return guarded([&] { return ::mdb_txn_begin(env_, nullptr, flags, &txn); });
  };
  int code = attempt();
  if (code == MDB_MAP_RESIZED) {  // another process let it grow: take its size
    code = guarded([&] { return ::mdb_env_set_mapsize(env_, 0); });
    if (code == 0) code = attempt();
  } else if (code == MDB_READERS_FULL) {
    int dead = 0;
    code = guarded([&] { return ::mdb_reader_check(env_, &dead); });
    if (code == 0) code = attempt();
  }
  if (code != 0) return fail(code, "read");
  return txn;
}

Result<std::uint64_t> LmdbFile::map_size() {
  MDB_envinfo info{};
  const int code = guarded([&] { return ::mdb_env_info(env_, &info); });
  if (code != 0) return fail(code, "read");
  return std::uint64_t{info.me_mapsize};
}

}  // namespace moat
