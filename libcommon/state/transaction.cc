#include <cstdint>

#include "libcommon/state/environment.h"

namespace moat {
namespace {

constexpr std::size_t page = 4096;
constexpr std::uint64_t max_value = std::uint64_t{1} << 30U;

MDB_val value_of(std::string_view octets) {
  return {octets.size(), const_cast<char *>(octets.data())};
}

std::string_view view_of(const MDB_val &value) {
  return {static_cast<const char *>(value.mv_data), value.mv_size};
}

// Reads an octet of every page, so that whoever looks at the value later, with
// no guard around him, meets no fault.
int touch(const MDB_val &value) {
  if (value.mv_size > max_value) return MDB_CORRUPTED;
  const auto *octets = static_cast<const volatile char *>(value.mv_data);
  for (std::size_t i = 0; i < value.mv_size; i += page) (void)octets[i];
  if (value.mv_size > 0) (void)octets[value.mv_size - 1];
  return 0;
}

}  // namespace

Transaction::~Transaction() {
  close_cursor();
  if (txn_ == nullptr) return;
  const int code = guarded([&] {
    ::mdb_txn_abort(txn_);
    return 0;
  });
  if (code != 0) file_->fail(code, "abort");
}

Error Transaction::fail(int code, std::string_view what) {
  if (code == MDB_MAP_FULL) map_full_ = true;
  return file_->fail(code, what);
}

Result<std::optional<std::string_view>> Transaction::get(std::string_view key) {
  if (key.empty() || key.size() > max_store_key) return std::optional<std::string_view>();
  MDB_val wanted = value_of(key);
  MDB_val found{};
  const int code = guarded([&] {
    const int got = ::mdb_get(txn_, file_->table(), &wanted, &found);
    return got == 0 ? touch(found) : got;
  });
  if (code == MDB_NOTFOUND) return std::optional<std::string_view>();
  if (code != 0) return fail(code, "read");
  return std::optional(view_of(found));
}

Result<MDB_cursor *> Transaction::cursor() {
  if (cursor_ != nullptr) return cursor_;
  const int code =
      guarded([&] { return ::mdb_cursor_open(txn_, file_->table(), &cursor_); });
  if (code != 0) return fail(code, "read");
  return cursor_;
}

// A cursor must go before its transaction does.
void Transaction::close_cursor() {
  if (cursor_ == nullptr) return;
  MDB_cursor *const cursor = std::exchange(cursor_, nullptr);
  guarded([&] {
    ::mdb_cursor_close(cursor);
    return 0;
  });
}

Result<std::optional<Entry>> Transaction::at_or_after(std::string_view key) {
  const auto place = cursor();
  if (!place) return place.error();
  MDB_val found_key = value_of(key.substr(0, max_store_key));
  MDB_val found{};
  const int code = guarded([&] {
    const MDB_cursor_op how = key.empty() ? MDB_FIRST : MDB_SET_RANGE;
    int got = ::mdb_cursor_get(*place, &found_key, &found, how);
    if (got == 0) got = touch(found_key);
    return got == 0 ? touch(found) : got;
  });
  if (code == MDB_NOTFOUND) return std::optional<Entry>();
  if (code != 0) return fail(code, "read");
  const Entry entry{view_of(found_key), view_of(found)};
  if (entry.key < key.substr(0, max_store_key)) return fail(MDB_CORRUPTED, "read");
  return std::optional(entry);
}

Result<std::optional<Entry>> Transaction::before(std::string_view key) {
  const auto place = cursor();
  if (!place) return place.error();
  if (key.empty()) return std::optional<Entry>();
  MDB_val found_key = value_of(key.substr(0, max_store_key));
  MDB_val found{};
  const int code = guarded([&] {
    int got = ::mdb_cursor_get(*place, &found_key, &found, MDB_SET_RANGE);
    got = ::mdb_cursor_get(*place, &found_key, &found,
                           got == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
    if (got == 0) got = touch(found_key);
    return got == 0 ? touch(found) : got;
  });
  if (code == MDB_NOTFOUND) return std::optional<Entry>();
  if (code != 0) return fail(code, "read");
  const Entry entry{view_of(found_key), view_of(found)};
  if (entry.key >= key) return fail(MDB_CORRUPTED, "read");
  return std::optional(entry);
}

Status Transaction::each(std::string_view prefix,
                         const std::function<bool(const Entry &)> &call) {
  auto entry = at_or_after(prefix);
  while (entry && *entry && (*entry)->key.starts_with(prefix)) {
    if (!call(**entry)) return done;
    // From the key and not from the cursor: the call may have moved that.
    const std::string last((*entry)->key);
    if (last.size() < max_store_key) {
      entry = at_or_after(last + '\0');
      continue;
    }
    std::string next = last;  // no room for the NUL: the next key of this length
    while (!next.empty() && next.back() == '\xff') next.pop_back();
    if (next.empty()) break;
    next.back() = static_cast<char>(next.back() + 1);
    entry = at_or_after(next);
  }
  if (!entry) return entry.error();
  return done;
}

Status Transaction::store(std::string_view key, std::string_view value, unsigned flags,
                          int *found) {
  if (key.empty() || key.size() > max_store_key || value.size() >= max_value) {
    return permanent_error(file_->path() + ": key or value too large");
  }
  MDB_val to = value_of(key);
  MDB_val octets = value_of(value);
  const int code =
      guarded([&] { return ::mdb_put(txn_, file_->table(), &to, &octets, flags); });
  if (found != nullptr) *found = code;
  if (code == 0 || (found != nullptr && code == MDB_KEYEXIST)) return done;
  return fail(code, "write");
}

Status Transaction::put(std::string_view key, std::string_view value) {
  return store(key, value, 0);
}

Status Transaction::append(std::string_view key, std::string_view value) {
  return store(key, value, MDB_APPEND);
}

Result<bool> Transaction::put_if_absent(std::string_view key, std::string_view value) {
  int code = 0;
  const auto stored = store(key, value, MDB_NOOVERWRITE, &code);
  if (!stored) return stored.error();
  return code == 0;
}

Result<bool> Transaction::remove(std::string_view key) {
  if (key.empty() || key.size() > max_store_key) return false;
  MDB_val from = value_of(key);
  const int code =
      guarded([&] { return ::mdb_del(txn_, file_->table(), &from, nullptr); });
  if (code == MDB_NOTFOUND) return false;
  if (code != 0) return fail(code, "write");
  return true;
}

Status Transaction::clear() {
  const int code = guarded([&] { return ::mdb_drop(txn_, file_->table(), 0); });
  if (code != 0) return fail(code, "write");
  return done;
}

Status Transaction::commit() {
  close_cursor();
  MDB_txn *const txn = std::exchange(txn_, nullptr);
  const int code = guarded([&] { return ::mdb_txn_commit(txn); });
  if (code != 0) return fail(code, "commit");
  return done;
}

}  // namespace moat
