#include "libcommon/state/store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "libcommon/state/environment.h"
#include "libcommon/state/store_files.h"

namespace moat {
namespace {

constexpr std::uint64_t smallest_map = 4096;  // LMDB makes it as large as the file
constexpr std::uint64_t least_growth = std::uint64_t{16} << 20U;  // octets

// Reads the whole of one tree, keys in order. Tree 0 is LMDB's list of free
// pages.
int walk(MDB_txn *txn, MDB_dbi tree, std::uint64_t &entries) {
  MDB_cursor *cursor = nullptr;
  int code = ::mdb_cursor_open(txn, tree, &cursor);
  if (code != 0) return code;
  MDB_val key{};
  MDB_val value{};
  volatile unsigned sum = 0;
  entries = 0;
  while ((code = ::mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
    const auto *octets = static_cast<const unsigned char *>(value.mv_data);
    for (std::size_t i = 0; i < value.mv_size; i += 512) sum = sum + octets[i];
    if (value.mv_size > 0) sum = sum + octets[value.mv_size - 1];
    ++entries;
  }
  ::mdb_cursor_close(cursor);
  return code == MDB_NOTFOUND ? 0 : code;
}

}  // namespace

class Store::Impl {
 public:
  Impl(std::string path_, const StoreMode &mode_) : path(std::move(path_)), mode(mode_) {}

  Status open();
  Status check_size();
  Status check();
  Status grow();
  Result<bool> attempt(const std::function<Status(Writer &)> &body);

  std::string path;
  StoreMode mode;
  // For a published store as long as it is open: setting up and taking down the
  // handlers at each look-up cost more than the look-up.
  std::optional<FaultGuard> handlers;
  LmdbFile file;
  bool in_use = false;  // by a transaction of this process
};

namespace {

// One transaction at a time: a second one in the same process would wait for
// the first.
class InUse {
 public:
  explicit InUse(bool &flag) : flag_(&flag) { flag = true; }
  InUse(const InUse &) = delete;
  InUse &operator=(const InUse &) = delete;
  ~InUse() { *flag_ = false; }

 private:
  bool *flag_;
};

}  // namespace

Status Store::Impl::open() {
  unsigned flags = 0;
  if (mode.published) {
    handlers.emplace();
    auto whole = check_store_file(path);
    if (!whole) return whole;
    flags = MDB_RDONLY | MDB_NOLOCK | MDB_NORDAHEAD;
  } else {
    auto fit = check_store_files(path);
    if (!fit) return fit;
    if (!mode.synced) flags = MDB_NOSYNC;
  }
  const FaultGuard guard;
  // Nobody adds to a published file: the map need not be larger than it is.
  auto opened = file.open(path, flags, mode.published ? smallest_map : 0);
  if (!opened) return opened;
  if (!mode.published) {
    auto fit = confirm_store_files(path);
    if (!fit) return fit;
    int dead = 0;
    guarded([&] { return ::mdb_reader_check(file.env(), &dead); });
  }
  return check_size();
}

// A file that lost its end would be found by SIGBUS, at the worst moment. Where
// LMDB's newest page was freed before it was ever written, the file may be
// short by right: then only reading all of it tells.
Status Store::Impl::check_size() {
  const FaultGuard guard;
  MDB_envinfo info{};
  MDB_stat tree{};
  int fd = -1;
  const int code = guarded([&] {
    const int known = ::mdb_env_info(file.env(), &info);
    if (known != 0) return known;
    const int counted = ::mdb_env_stat(file.env(), &tree);
    return counted != 0 ? counted : ::mdb_env_get_fd(file.env(), &fd);
  });
  if (code != 0) return file.fail(code, "open");
  struct stat status{};
  if (::fstat(fd, &status) != 0) return system_error(path);
  const std::uint64_t pages = static_cast<std::uint64_t>(status.st_size) / tree.ms_psize;
  if (info.me_last_pgno < pages) return done;
  if (mode.published) return file.fail(lmdb_fault, "shorter than its newest page");
  return check();
}

Status Store::Impl::check() {
  const FaultGuard guard;
  const auto txn = file.begin(MDB_RDONLY);
  if (!txn) return txn.error();
  const Transaction ends(file, *txn);
  MDB_stat tree{};
  std::uint64_t free_lists = 0;
  std::uint64_t entries = 0;
  int code = guarded([&] {
    const int known = ::mdb_stat(*txn, file.table(), &tree);
    if (known != 0) return known;
    const int walked = walk(*txn, 0, free_lists);
    return walked != 0 ? walked : walk(*txn, file.table(), entries);
  });
  if (code == 0 && entries != tree.ms_entries) code = MDB_CORRUPTED;
  if (code != 0) return file.fail(code, "check");
  return done;
}

Status Store::Impl::grow() {
  const auto now = file.map_size();
  if (!now) return now.error();
  if (*now >= mode.ceiling) {
    return Error{true, path + ": full: it has reached its ceiling", Cause::full};
  }
  const std::uint64_t next =
      std::min(std::max(*now * 2, *now + least_growth), mode.ceiling);
  const int code = guarded([&] { return ::mdb_env_set_mapsize(file.env(), next); });
  if (code != 0) return file.fail(code, "grow");
  return done;
}

// Returns false when the file is too small for it and has to grow.
Result<bool> Store::Impl::attempt(const std::function<Status(Writer &)> &body) {
  const auto txn = file.begin(0);
  if (!txn) return txn.error();
  Transaction transaction(file, *txn);
  auto changed = body(transaction);
  if (transaction.map_full()) return false;
  if (!changed) return changed.error();
  const auto committed = transaction.commit();
  if (transaction.map_full()) return false;
  if (!committed) return committed.error();
  return true;
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(const std::string &path,
                                           const StoreMode &mode) {
  auto impl = std::make_unique<Impl>(path, mode);
  const auto opened = impl->open();
  if (!opened) return opened.error();
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

Result<Store *> Store::open(Invocation &invocation, const std::string &path,
                            const StoreMode &mode) {
  auto &place = invocation.open_state[path];
  if (place == nullptr) {
    auto opened = open(path, mode);
    if (!opened) {
      invocation.open_state.erase(path);
      return opened.error();
    }
    place = std::move(*opened);
  }
  return static_cast<Store *>(place.get());
}

Status Store::read(const std::function<Status(Reader &)> &body) {
  if (impl_->in_use) return permanent_error(path() + ": already in a transaction");
  const InUse in_use(impl_->in_use);
  const FaultGuard guard;
  const auto txn = impl_->file.begin(MDB_RDONLY);
  if (!txn) return txn.error();
  Transaction transaction(impl_->file, *txn);
  return body(transaction);
}

Status Store::update(Deadline deadline, const std::function<Status(Writer &)> &body) {
  if (impl_->mode.published) return permanent_error(path() + ": opened to read");
  if (impl_->in_use) return permanent_error(path() + ": already in a transaction");
  const InUse in_use(impl_->in_use);
  const auto lock = WriterLock::take(path(), deadline);
  if (!lock) return lock.error();
  const FaultGuard guard;
  for (;;) {
    const auto fitted = impl_->attempt(body);
    if (!fitted) return fitted.error();
    if (*fitted) return done;
    auto grown = impl_->grow();
    if (!grown) return grown;
  }
}

Status Store::sync() {
  const FaultGuard guard;
  const int code = guarded([&] { return ::mdb_env_sync(impl_->file.env(), 1); });
  if (code != 0) return impl_->file.fail(code, "sync");
  return done;
}

Result<unsigned> Store::reap_readers() {
  const FaultGuard guard;
  int dead = 0;
  const int code = guarded([&] { return ::mdb_reader_check(impl_->file.env(), &dead); });
  if (code != 0) return impl_->file.fail(code, "reap readers");
  return static_cast<unsigned>(dead);
}

void Store::set_synced(bool synced) {
  const FaultGuard guard;
  guarded(
      [&] { return ::mdb_env_set_flags(impl_->file.env(), MDB_NOSYNC, synced ? 0 : 1); });
}

Status Store::copy_to(const std::string &path) {
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  const FaultGuard guard;
  const int code = guarded(
      [&] { return ::mdb_env_copy2(impl_->file.env(), fresh.c_str(), MDB_CP_COMPACT); });
  auto status = code == 0 ? move_in_place(fresh, impl_->path, path)
                          : Status(impl_->file.fail(code, "copy to " + path));
  if (!status) ::unlink(fresh.c_str());
  return status;
}

Status Store::check() { return impl_->check(); }

Result<StoreInfo> Store::info() {
  const FaultGuard guard;
  MDB_stat tree{};
  MDB_envinfo env{};
  int fd = -1;
  const int code = guarded([&] {
    ::mdb_env_get_fd(impl_->file.env(), &fd);
    const int known = ::mdb_env_stat(impl_->file.env(), &tree);
    return known != 0 ? known : ::mdb_env_info(impl_->file.env(), &env);
  });
  if (code != 0) return impl_->file.fail(code, "read");
  struct stat status{};
  if (::fstat(fd, &status) != 0) return system_error(path());
  const std::uint64_t pages =
      tree.ms_branch_pages + tree.ms_leaf_pages + tree.ms_overflow_pages;
  return StoreInfo{tree.ms_entries, static_cast<std::uint64_t>(status.st_size),
                   pages * tree.ms_psize, env.me_numreaders};
}

const std::string &Store::path() const { return impl_->path; }

}  // namespace moat
