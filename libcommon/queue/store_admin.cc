// What the administrator does to messages, and what time does to leftovers.

#include <algorithm>
#include <set>

#include "libcommon/queue/store_parts.h"

namespace moat {
namespace {

constexpr std::size_t batch = 256;                   // messages changed at once
constexpr std::int64_t leftover_age = 36 * 60 * 60;  // seconds

// Returns the ids of at most `batch` messages from `from` on.
Result<std::vector<QueueId>> ids_from(Store &store, QueueId from) {
  std::vector<QueueId> ids;
  const auto read = store.read([&](Reader &reader) -> Status {
    std::string key = message_key(from);
    while (ids.size() < batch) {
      const auto entry = reader.at_or_after(key);
      if (!entry) return entry.error();
      const auto id = *entry ? parse_message_key((*entry)->key) : std::nullopt;
      if (!id) return done;
      ids.push_back(*id);
      key.assign((*entry)->key) += '\0';
    }
    return done;
  });
  if (!read) return read.error();
  return ids;
}

// Does `act` to one message or to all, some in each transaction. It returns
// whether there was anything to do.
using Act = std::function<Result<bool>(Writer &, QueueId)>;
Result<std::uint64_t> act_on(const QueueStore::Parts &parts, std::optional<QueueId> only,
                             const Act &act,
                             const std::function<void(bool)> &between = nullptr) {
  std::uint64_t count = 0;
  for (QueueId from;;) {
    auto ids = only ? Result(std::vector{*only}) : ids_from(*parts.store, from);
    if (!ids) return ids.error();
    if (ids->empty()) return count;
    std::uint64_t acted = 0;
    const auto updated = parts.update([&](Writer &writer) -> Status {
      acted = 0;
      if (between) between(false);
      for (const QueueId id : *ids) {
        const auto there = writer.get(message_key(id));
        if (!there) return there.error();
        if (!*there) continue;
        const auto result = act(writer, id);
        if (!result) return result.error();
        if (*result) ++acted;
      }
      return done;
    });
    if (!updated) return updated.error();
    if (between) between(true);
    count += acted;
    if (only || ids->size() < batch) return count;
    from.value = ids->back().value + 1;
  }
}

// Changes each pending recipient that `change` says it changed.
Result<bool> change_pending(Writer &writer, QueueId id,
                            const std::function<bool(QueueRecipient &)> &change) {
  const auto recipients = recipients_of(writer, id);
  if (!recipients) return recipients.error();
  bool any = false;
  for (const QueueRecipient &before : *recipients) {
    QueueRecipient after = before;
    if (before.state != RecipientState::pending || !change(after)) continue;
    const auto put = put_recipient(writer, id, after, &before);
    if (!put) return put.error();
    any = true;
  }
  return any;
}

Result<std::uint64_t> change_all(const QueueStore::Parts &parts,
                                 std::optional<QueueId> only,
                                 const std::function<bool(QueueRecipient &)> &change) {
  auto count = act_on(parts, only, [&](Writer &writer, QueueId id) {
    return change_pending(writer, id, change);
  });
  if (count && *count > 0) parts.wake();
  return count;
}

// Returns the files that messages have. A record that cannot be read might name
// any file, and is an error.
Result<std::set<std::string>> named_files(Reader &reader) {
  std::set<std::string> names;
  std::optional<Error> wrong;
  const auto read = reader.each(message_prefix, [&](const Entry &entry) {
    const auto record = read_message(entry.key, entry.value);
    if (!record) {
      wrong = record.error();
      return false;
    }
    if (!record->message.file.empty()) names.insert(record->message.file);
    return true;
  });
  if (!read) return read.error();
  if (wrong) return *wrong;
  return names;
}

}  // namespace

Result<std::uint64_t> QueueStore::retry(std::optional<QueueId> id) {
  const std::int64_t now = parts_->clock.wall_seconds();
  return change_all(*parts_, id, [now](QueueRecipient &recipient) {
    recipient.due = now;
    return !recipient.held;
  });
}

Result<std::uint64_t> QueueStore::hold(std::optional<QueueId> id) {
  return change_all(*parts_, id, [](QueueRecipient &recipient) {
    return !std::exchange(recipient.held, true);
  });
}

Result<std::uint64_t> QueueStore::release(std::optional<QueueId> id) {
  const std::int64_t now = parts_->clock.wall_seconds();
  return change_all(*parts_, id, [now](QueueRecipient &recipient) {
    recipient.due = now;
    return std::exchange(recipient.held, false);
  });
}

Result<std::uint64_t> QueueStore::remove(std::optional<QueueId> id) {
  Farewell farewell;
  return act_on(
      *parts_, id,
      [&](Writer &writer, QueueId one) -> Result<bool> {
        auto file = remove_message(writer, one);
        if (!file) return file.error();
        farewell.add(std::move(*file));
        return true;
      },
      [&](bool committed) {
        if (committed) farewell.carry_out(parts_->bodies);
        farewell.clear();
      });
}

Result<std::uint64_t> QueueStore::remove_leftovers() {
  const std::int64_t now = parts_->clock.wall_seconds();
  const auto old = parts_->bodies.untouched_since(now - leftover_age);
  if (!old) return old.error();
  if (old->empty()) return std::uint64_t{0};
  // Under the writer's lock, for a clock that jumps makes a young file old: who
  // is about to name it finds it gone, and says 53.
  std::uint64_t count = 0;
  const auto updated = parts_->update([&](Writer &writer) -> Status {
    const auto named = named_files(writer);
    if (!named) return named.error();
    for (const std::string &name : *old) {
      if (named->contains(name)) continue;
      parts_->bodies.remove(name);
      ++count;
    }
    return done;
  });
  if (!updated) return updated.error();
  return count;
}

}  // namespace moat
