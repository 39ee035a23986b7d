// The store: a file of keys and values that programs share. This module alone
// names LMDB, and keeps its rules (moat(7), "State"), each seen broken
// somewhere: writers meet at a lock that can time out, a process opens a file
// once and never uses it after a fork, no transaction spans a wait, no program
// makes a file by accident, and damage is an error, never a signal.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libcommon/base/clock.h"
#include "libcommon/base/fd.h"
#include "libcommon/base/result.h"
#include "libcommon/process/invocation.h"

namespace moat {

inline constexpr std::size_t max_store_key = 511;  // octets

// How a file is used; the same for all who open it.
struct StoreMode {
  bool published = false;  // read-only, without locks: replaced by rename alone;
                           // opened before a fork, it serves the child too
  bool synced = true;      // each commit is on the disk before it returns
  std::uint64_t ceiling = std::uint64_t{64} << 30U;  // the file grows to this, octets
};

inline constexpr StoreMode published_store{.published = true};
inline constexpr StoreMode master_store{};
inline constexpr StoreMode learned_store{.synced = false};

struct Entry {
  std::string_view key;
  std::string_view value;
};

// One view of a store that nothing changes. Views that it returns live as long
// as it, in a Writer until the next put or remove. Ends in microseconds: hold
// none across a wait, for the file cannot reuse its pages meanwhile.
//
// Every call may fail with Cause::damaged; the store then answers nothing more.
class Reader {
 public:
  Reader(const Reader &) = delete;
  Reader &operator=(const Reader &) = delete;
  virtual ~Reader() = default;

  // Returns the value, or nullopt when there is none.
  virtual Result<std::optional<std::string_view>> get(std::string_view key) = 0;

  // Returns the first entry whose key is not less than `key`, octet by octet.
  virtual Result<std::optional<Entry>> at_or_after(std::string_view key) = 0;

  // Returns the last entry whose key is less than `key`.
  virtual Result<std::optional<Entry>> before(std::string_view key) = 0;

  // Calls with each entry whose key begins with `prefix`, in order, until one
  // returns false. The calls may change the store: what they put further on is
  // met too.
  virtual Status each(std::string_view prefix,
                      const std::function<bool(const Entry &)> &call) = 0;

  // Returns the number of the commit that this view shows; in a Writer, of the
  // one that it will be.
  virtual std::uint64_t number() const = 0;

 protected:
  Reader() = default;
};

class Writer : public Reader {
 public:
  // Keys are 1 to max_store_key octets; values less than 1 GiB. What fails here
  // ends the update: return the error.
  virtual Status put(std::string_view key, std::string_view value) = 0;

  // Returns false, and changes nothing, when the key is there already.
  virtual Result<bool> put_if_absent(std::string_view key, std::string_view value) = 0;

  // Returns false when there was none.
  virtual Result<bool> remove(std::string_view key) = 0;

  // Removes everything.
  virtual Status clear() = 0;
};

struct StoreInfo {
  std::uint64_t entries;
  std::uint64_t size;     // of the file, octets
  std::uint64_t used;     // of it, by live pages
  std::uint64_t readers;  // slots taken now
};

class Store final : public OpenState {
 public:
  // Opens a file that is there, with its locks; Invocation owns it, and a second
  // call with the same path returns the same store. A missing file names
  // `moat-statectl init`; a file shorter than its newest page, or not ours at
  // all, is damaged; another PID namespace or a network file system is refused.
  // All errors are temporary for the mail.
  static Result<Store *> open(Invocation &invocation, const std::string &path,
                              const StoreMode &mode);

  // The same, owned by the caller, who takes care that it is the only one in
  // the process.
  static Result<std::unique_ptr<Store>> open(const std::string &path,
                                             const StoreMode &mode);

  // Makes an empty file and its locks (FILE-lock, FILE.writer), whole or not at
  // all, with this mode; `uid` and `gid` as chown(2), -1 leaves them. A file
  // that is there keeps what it holds, gets missing locks, and owner and mode.
  static Status create(const std::string &path, mode_t mode, uid_t uid, gid_t gid);

  Store(const Store &) = delete;
  Store &operator=(const Store &) = delete;
  ~Store() override;

  // Runs `body` over one view. Returns its error, or that of opening the view.
  Status read(const std::function<Status(Reader &)> &body);

  // Runs `body` in a transaction and commits it; with synced mode it is then on
  // the disk. An error of `body`, returned, leaves everything as it was. When
  // the file had to grow, `body` runs again from the start: it must not keep
  // what it learned in the first run. The writer's lock is waited for until
  // the deadline: Cause::busy. The ceiling or a full disk: Cause::full, and
  // nothing of it is left.
  Status update(Deadline deadline, const std::function<Status(Writer &)> &body);

  // Lets updates from now on be synced or not, as StoreMode has it.
  void set_synced(bool synced);

  // Writes to the disk what commits without sync have left in memory.
  Status sync();

  // Frees the reader slots of processes that are gone. Returns how many.
  Result<unsigned> reap_readers();

  // Writes a compact copy that is whole at one moment, synced, with the owner and
  // mode of the original, to `path`, in place of what is there.
  Status copy_to(const std::string &path);

  // Reads every page that is in use. An error of Cause::damaged, or nothing.
  Status check();

  Result<StoreInfo> info();
  const std::string &path() const;

 private:
  class Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The writer's lock of a file: FILE.writer, an open-file-description lock, which
// the kernel drops with its holder. For what writes around a Store: replacing
// the file by rename.
class WriterLock {
 public:
  // Waits until the deadline at most: Cause::busy. The file must be there.
  static Result<WriterLock> take(const std::string &store_path, Deadline deadline);

 private:
  explicit WriterLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace moat
