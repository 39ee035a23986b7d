// An open LMDB file: what Store and its transactions are made of. For this
// folder alone.

#pragma once

#include <lmdb.h>

#include <string>
#include <string_view>

#include "libcommon/base/result.h"
#include "libcommon/state/guard.h"
#include "libcommon/state/store.h"

namespace moat {

inline constexpr unsigned reader_slots = 4096;  // the same in every opener
inline constexpr int lmdb_fault = -1;           // a code of ours: the guard was needed

// Returns what a code of LMDB means to us, reading "PATH: WHAT: REASON".
Error lmdb_error(int code, const std::string &path, std::string_view what);

// Runs a call of LMDB that returns a code. Needs a FaultGuard.
template <typename Call>
int guarded(Call &&call) {
  int code = lmdb_fault;
  if (!FaultGuard::run([&] { code = call(); })) return lmdb_fault;
  return code;
}

// Owns the environment; never closes it in a child of the process that opened
// it, for that would free the parent's reader slots. A published file has no
// slots and no locks, only a map that never changes: a child may use that.
class LmdbFile {
 public:
  LmdbFile() = default;
  LmdbFile(const LmdbFile &) = delete;
  LmdbFile &operator=(const LmdbFile &) = delete;
  ~LmdbFile();

  // Opens with these flags of mdb_env_open. `map_size` 0 takes the file's own.
  Status open(const std::string &path, unsigned flags, std::uint64_t map_size = 0);

  MDB_env *env() const { return env_; }
  MDB_dbi table() const { return table_; }
  const std::string &path() const { return path_; }

  // Whether this process may use it.
  bool is_ours() const;

  // Begins a transaction, with one more try where the file grew or the slots of
  // dead readers were in the way.
  Result<MDB_txn *> begin(unsigned flags);

  // After a fault nothing that LMDB says of this file counts any more.
  Error fail(int code, std::string_view what);
  bool failed() const { return failed_; }

  Result<std::uint64_t> map_size();

 private:
  void close_on_exec() const;

  std::string path_;
  MDB_env *env_ = nullptr;
  MDB_dbi table_ = 0;
  pid_t pid_ = -1;
  bool published_ = false;
  bool failed_ = false;
};

// A transaction, ended by commit() or by destruction.
class Transaction final : public Writer {
 public:
  Transaction(LmdbFile &file, MDB_txn *txn) : file_(&file), txn_(txn) {}
  Transaction(const Transaction &) = delete;
  Transaction &operator=(const Transaction &) = delete;
  ~Transaction() override;

  Result<std::optional<std::string_view>> get(std::string_view key) override;
  Result<std::optional<Entry>> at_or_after(std::string_view key) override;
  Result<std::optional<Entry>> before(std::string_view key) override;
  Status each(std::string_view prefix,
              const std::function<bool(const Entry &)> &call) override;
  std::uint64_t number() const override { return ::mdb_txn_id(txn_); }
  Status put(std::string_view key, std::string_view value) override;
  Result<bool> put_if_absent(std::string_view key, std::string_view value) override;
  Result<bool> remove(std::string_view key) override;
  Status clear() override;

  // The same as put, faster, for keys in ascending order.
  Status append(std::string_view key, std::string_view value);

  Status commit();

  // Whether the map was too small for it.
  bool map_full() const { return map_full_; }

 private:
  Error fail(int code, std::string_view what);
  Status store(std::string_view key, std::string_view value, unsigned flags,
               int *found = nullptr);
  Result<MDB_cursor *> cursor();
  void close_cursor();

  LmdbFile *file_;
  MDB_txn *txn_;
  MDB_cursor *cursor_ = nullptr;
  bool map_full_ = false;
};

}  // namespace moat
