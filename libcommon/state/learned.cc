#include "libcommon/state/learned.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "libcommon/base/io.h"
#include "libcommon/state/environment.h"
#include "libcommon/state/record.h"
#include "libcommon/state/store_files.h"

namespace moat {
namespace {

constexpr std::uint8_t format = 1;
constexpr std::size_t max_boot_id = 64;

struct Mark {
  std::string boot;
  std::uint64_t clean = 0;  // the commit after which nothing was written, or 0
};

std::string encode_mark(const Mark &mark) {
  RecordWriter record;
  record.text(mark.boot);
  record.number(mark.clean);
  return record.seal(boot_mark_key, format);
}

Result<Mark> read_mark(Reader &reader) {
  const auto found = reader.get(boot_mark_key);
  if (!found) return found.error();
  if (!*found) return Mark{};
  auto record = RecordReader::open(boot_mark_key, **found, format);
  if (!record) return record.error();
  Mark mark;
  mark.boot = record->text(max_boot_id);
  mark.clean = record->number();
  return mark;
}

enum class Trust { ours, clean, none };

// Looks at the file without locks: the caller has the writer's, and whoever
// opened the file in another boot is gone.
Result<Trust> look_at(const std::string &path, const std::string &boot) {
  const auto store = Store::open(path, published_store);
  if (!store) {
    const Cause cause = store.error().cause;
    if (cause == Cause::damaged) return Trust::none;
    return store.error();
  }
  Trust trust = Trust::none;
  const auto read = (*store)->read([&](Reader &reader) -> Status {
    const auto mark = read_mark(reader);
    if (!mark) return mark.error();
    if (mark->boot == boot) {
      trust = Trust::ours;
    } else if (mark->clean != 0 && mark->clean == reader.number()) {
      trust = Trust::clean;
    } else if (mark->boot.empty()) {
      trust = Trust::clean;  // as init made it: nobody has written yet
    }
    return done;
  });
  if (!read && read.error().cause != Cause::damaged) return read.error();
  return trust;
}

// Marks a file that nobody has open as this boot's.
Status mark_ours(const std::string &path, const std::string &boot) {
  LmdbFile file;
  const FaultGuard guard;
  auto opened = file.open(path, MDB_NOLOCK);
  if (!opened) return opened;
  const auto txn = file.begin(0);
  if (!txn) return txn.error();
  Transaction transaction(file, *txn);
  auto put = transaction.put(boot_mark_key, encode_mark({boot, 0}));
  if (!put) return put;
  return transaction.commit();
}

Status copy_file(const std::string &from, const std::string &to) {
  const Fd in(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in) return system_error(from);
  ::unlink(to.c_str());
  const Fd out(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!out) return system_error(to);
  for (;;) {
    const auto count = ::copy_file_range(in.get(), nullptr, out.get(), nullptr,
                                         SSIZE_MAX / 4096 * 4096, 0);
    if (count == 0) return done;
    if (count < 0) return system_error("copy " + from);
  }
}

bool is_whole(const std::string &path) {
  const auto store = Store::open(path, published_store);
  return store && (*store)->check();
}

// Puts the snapshot, or an empty file, in the place of one that is not to be
// trusted. The old one is kept aside for whoever wants to look.
Result<Recovery> replace(const std::string &path, const std::string &boot) {
  const std::string snapshot = snapshot_of(path);
  const std::string fresh = path + ".fresh";
  Recovery recovery;
  struct stat status{};
  if (::stat(snapshot.c_str(), &status) == 0 && is_whole(snapshot)) {
    const auto copied = copy_file(snapshot, fresh);
    if (!copied) return copied.error();
    recovery = {Recovery::What::snapshot, status.st_mtime};
  } else {
    const auto made = make_store_file(fresh);
    if (!made) return made.error();
    recovery = {Recovery::What::empty, 0};
  }
  const auto marked = mark_ours(fresh, boot);
  if (!marked) return marked.error();
  const auto moved = move_in_place(fresh, path, path);
  if (!moved) return moved.error();
  return recovery;
}

}  // namespace

std::string snapshot_of(const std::string &path) { return path + ".snapshot"; }

Result<Recovery> recover_learned(const std::string &path, Deadline deadline) {
  const std::string boot = boot_id();
  const auto lock = WriterLock::take(path, deadline);
  if (!lock) return lock.error();
  const auto trust = look_at(path, boot);
  if (!trust) return trust.error();
  if (*trust == Trust::ours || boot.empty()) return Recovery{};
  if (*trust == Trust::none) return replace(path, boot);
  const auto marked = mark_ours(path, boot);
  if (!marked) return marked.error();
  return Recovery{Recovery::What::clean, 0};
}

Status take_snapshot(Store &store) {
  auto synced = store.sync();
  if (!synced) return synced;
  return store.copy_to(snapshot_of(store.path()));
}

Status mark_clean(Store &store, Deadline deadline) {
  auto synced = store.sync();
  if (!synced) return synced;
  store.set_synced(true);
  return store.update(deadline, [](Writer &writer) -> Status {
    const auto mark = read_mark(writer);
    if (!mark) return mark.error();
    return writer.put(boot_mark_key, encode_mark({mark->boot, writer.number()}));
  });
}

}  // namespace moat
