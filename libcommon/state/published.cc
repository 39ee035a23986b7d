#include "libcommon/state/published.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libcommon/base/io.h"
#include "libcommon/state/environment.h"
#include "libcommon/state/record.h"

namespace moat {
namespace {

constexpr std::uint8_t format = 1;
constexpr std::string_view head_key("\0", 1);             // before every other key
constexpr std::uint64_t room = std::uint64_t{16} << 20U;  // octets, for what is small
constexpr std::size_t batch = 50'000;  // entries a commit while building
constexpr std::size_t max_value = std::size_t{1} << 30U;

Error damaged(std::string_view what) {
  return Error{true, "damaged: " + std::string(what), Cause::damaged};
}

// An entry is written when its successor is known.
class Builder {
 public:
  explicit Builder(LmdbFile &file) : file_(&file) {}

  Status add(std::string_view key, std::string_view value) {
    auto put = flush(key);
    if (!put) return put;
    key_ = key;
    value_ = value;
    return done;
  }

  Status finish() {
    auto put = flush("");
    if (!put || !transaction_) return put;
    return transaction_->commit();
  }

 private:
  Status flush(std::string_view next) {
    if (key_.empty()) return done;
    if (!transaction_) {
      const auto txn = file_->begin(0);
      if (!txn) return txn.error();
      transaction_.emplace(*file_, *txn);
    }
    RecordWriter record;
    record.text(next);
    record.text(value_);
    auto put = transaction_->append(key_, record.seal(key_, format));
    if (!put) return put;
    if (++count_ % batch != 0) return done;
    auto committed = transaction_->commit();
    transaction_.reset();
    return committed;
  }

  LmdbFile *file_;
  std::optional<Transaction> transaction_;
  std::string key_;
  std::string value_;
  std::size_t count_ = 0;
};

Status build(Store &master, const std::string &path, std::string_view seal) {
  const auto info = master.info();
  if (!info) return info.error();
  LmdbFile file;
  const FaultGuard guard;
  // Nobody sees the file before it is whole, so it needs no lock and, until
  // the end, no sync. Each entry grows by its neighbour's key and a sum: by less
  // than it is.
  auto opened = file.open(path, MDB_NOLOCK | MDB_NOSYNC, info->size * 3 + room);
  if (!opened) return opened;
  Builder builder(file);
  RecordWriter head;
  head.text(seal);
  auto status = builder.add(head_key, head.seal(head_key, format));
  auto read = master.read([&](Reader &reader) -> Status {
    auto walked = reader.each("", [&](const Entry &entry) {
      if (status) status = builder.add(entry.key, entry.value);
      return bool{status};
    });
    return walked ? status : walked;
  });
  if (!read) return read;
  return builder.finish();
}

// What is published is short by no page, whatever LMDB left unwritten.
Status complete(const std::string &path, mode_t mode) {
  const Fd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file) return system_error(path);
  if (::fchmod(file.get(), mode) != 0) return system_error("chmod " + path);
  if (::fsync(file.get()) != 0) return system_error("fsync " + path);
  return done;
}

struct Link {
  std::string_view next;
  std::string_view value;
};

Result<Link> open_link(std::string_view key, std::string_view octets) {
  auto record = RecordReader::open(key, octets, format);
  if (!record) return record.error();
  const Link link{record->text(max_store_key), record->text(max_value)};
  if (!record->good() || !record->at_end()) return damaged("published entry");
  return link;
}

bool reaches_beyond(const Link &link, std::string_view key) {
  return link.next.empty() || link.next > key;
}

}  // namespace

Status publish(Store &master, const std::string &path, std::string_view seal, mode_t mode,
               Deadline deadline) {
  const auto lock = WriterLock::take(master.path(), deadline);
  if (!lock) return lock.error();
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  auto status = build(master, fresh, seal);
  if (status) status = complete(fresh, mode);
  if (status && ::rename(fresh.c_str(), path.c_str()) != 0) {
    status = system_error("rename " + fresh);
  }
  if (!status) {
    ::unlink(fresh.c_str());
    return status;
  }
  const auto slash = path.rfind('/');
  return sync_folder(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

Status check_seal(Reader &published, std::string_view seal) {
  const auto octets = published.get(head_key);
  if (!octets) return octets.error();
  if (!*octets) return damaged("no head");
  const auto link = open_link(head_key, **octets);
  if (!link) return link.error();
  auto head = RecordReader::open(head_key, link->value, format);
  if (!head) return head.error();
  const std::string_view found = head->text(max_store_key);
  if (!head->good()) return damaged("no head");
  if (found == seal) return done;
  return Error{true,
               "holds \"" + std::string(found) + "\", not \"" + std::string(seal) +
                   "\": written by another version",
               Cause::newer};
}

Result<std::optional<std::string_view>> find_published(Reader &published,
                                                       std::string_view key) {
  if (key.empty() || key.size() > max_store_key) return std::optional<std::string_view>();
  const auto octets = published.get(key);
  if (!octets) return octets.error();
  if (*octets) {
    const auto link = open_link(key, **octets);
    if (!link) return link.error();
    return std::optional(link->value);
  }
  const auto before = published.before(key);
  if (!before) return before.error();
  if (!*before) return damaged("no head");
  const auto link = open_link((*before)->key, (*before)->value);
  if (!link) return link.error();
  if (!reaches_beyond(*link, key)) return damaged("an entry is missing");
  return std::optional<std::string_view>();
}

Status each_published(Reader &published, std::string_view prefix,
                      const std::function<bool(const Entry &)> &call) {
  Status status = done;
  std::string expected;
  bool stopped = false;
  auto walked = published.each(prefix, [&](const Entry &entry) {
    const auto link = open_link(entry.key, entry.value);
    if (!link) {
      status = link.error();
    } else if (!expected.empty() && entry.key != expected) {
      status = damaged("an entry is missing");
    } else {
      expected = link->next;
      stopped = entry.key != head_key && !call({entry.key, link->value});
    }
    return status && !stopped;
  });
  if (!walked) return walked;
  if (status && !stopped && expected.starts_with(prefix) && !expected.empty()) {
    return damaged("an entry is missing");
  }
  return status;
}

}  // namespace moat
