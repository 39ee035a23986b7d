#include <unistd.h>

#include "libcommon/queue/store_parts.h"

namespace moat {
namespace {

Status change_recipient(Writer &writer, QueueId id, const RecipientChange &change) {
  const std::string key = recipient_key(id, change.number);
  const auto record = writer.get(key);
  if (!record) return record.error();
  if (!*record) return done;
  const auto before = read_recipient(key, **record);
  if (!before) return before.error();
  QueueRecipient after = *before;
  after.state = change.state;
  after.attempts = change.attempts;
  after.due = change.due;
  after.text = change.text.substr(0, max_recipient_text);
  return put_recipient(writer, id, after, &*before);
}

// Numbers are never used twice: records of a message go all together.
Result<std::uint32_t> next_number(Writer &writer, QueueId id) {
  const auto last = writer.before(recipients_key({id.value + 1}));
  if (!last) return last.error();
  if (!*last) return 0U;
  const auto place = parse_recipient_key((*last)->key);
  return place && place->id == id ? place->number + 1 : 0U;
}

Status add_recipients(Writer &writer, const QueueChange &change, std::int64_t now,
                      QueueChanged &changed) {
  if (change.add_recipients.empty()) return done;
  const auto number = next_number(writer, change.id);
  if (!number) return number.error();
  QueueRecipient recipient;
  recipient.number = *number;
  recipient.due = now;
  for (const NewRecipient &added : change.add_recipients) {
    recipient.address = added.address;
    recipient.origin = added.origin;
    const auto put = put_recipient(writer, change.id, recipient, nullptr);
    if (!put) return put;
    changed.recipients.push_back(recipient.number++);
  }
  return done;
}

// All of one change that is not the arrival of messages.
Status change_message(Writer &writer, const QueueChange &change, std::int64_t now,
                      QueueChanged &changed) {
  for (const RecipientChange &recipient : change.recipients) {
    const auto set = change_recipient(writer, change.id, recipient);
    if (!set) return set;
  }
  return add_recipients(writer, change, now, changed);
}

}  // namespace

Result<QueueHead> head_of(Reader &reader) {
  const auto record = reader.get(head_key);
  if (!record) return record.error();
  return *record ? read_head(**record) : QueueHead{};
}

Result<std::optional<MessageRecord>> message_of(Reader &reader, QueueId id) {
  const std::string key = message_key(id);
  const auto record = reader.get(key);
  if (!record) return record.error();
  if (!*record) return std::optional<MessageRecord>();
  auto message = read_message(key, **record);
  if (!message) return message.error();
  return std::optional(std::move(*message));
}

Result<std::vector<QueueRecipient>> recipients_of(Reader &reader, QueueId id) {
  std::vector<QueueRecipient> recipients;
  std::optional<Error> wrong;
  const auto read = reader.each(recipients_key(id), [&](const Entry &entry) {
    auto recipient = read_recipient(entry.key, entry.value);
    if (!recipient) {
      wrong = recipient.error();
      return false;
    }
    recipients.push_back(std::move(*recipient));
    return true;
  });
  if (!read) return read.error();
  if (wrong) return *wrong;
  return recipients;
}

Status put_recipient(Writer &writer, QueueId id, const QueueRecipient &recipient,
                     const QueueRecipient *before) {
  const bool due = is_in_due_index(recipient);
  if (before != nullptr && is_in_due_index(*before) &&
      (!due || before->due != recipient.due)) {
    const auto removed = writer.remove(due_key({before->due, id, recipient.number}));
    if (!removed) return removed.error();
  }
  auto put =
      writer.put(recipient_key(id, recipient.number), write_recipient(id, recipient));
  if (put && due) put = writer.put(due_key({recipient.due, id, recipient.number}), "");
  return put;
}

Result<std::string> remove_message(Writer &writer, QueueId id) {
  const auto message = message_of(writer, id);
  if (!message) return message.error();
  const auto recipients = recipients_of(writer, id);
  if (!recipients) return recipients.error();
  std::vector<std::string> keys{message_key(id), body_key(id)};
  for (const QueueRecipient &recipient : *recipients) {
    keys.push_back(recipient_key(id, recipient.number));
    if (is_in_due_index(recipient)) {
      keys.push_back(due_key({recipient.due, id, recipient.number}));
    }
  }
  for (const std::string &key : keys) {
    const auto removed = writer.remove(key);
    if (!removed) return removed.error();
  }
  return *message ? (*message)->message.file : std::string();
}

void QueueStore::Parts::wake() const {
  [[maybe_unused]] const auto written = ::pwrite(trigger.get(), "!", 1, 0);
}

Result<std::vector<QueueId>> QueueStore::add(
    std::span<const NewMessage> messages,
    const std::function<bool(std::size_t)> &visible) {
  Arrivals arrivals(*parts_, parts_->clock.wall_seconds());
  for (const NewMessage &message : messages) {
    const auto taken = arrivals.take(message);
    if (!taken) return taken.error();
  }
  const auto synced = arrivals.sync();
  if (!synced) return synced.error();
  std::vector<QueueId> ids;
  const auto updated = parts_->update([&](Writer &writer) -> Status {
    arrivals.begin();
    ids.assign(messages.size(), QueueId{});
    auto head = head_of(writer);
    if (!head) return head.error();
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (visible && !visible(i)) continue;
      const auto id = arrivals.put(writer, i, *head);
      if (!id) return id.error();
      ids[i] = *id;
    }
    return writer.put(head_key, write_head(*head));
  });
  if (!updated) return updated.error();
  arrivals.keep();
  parts_->wake();
  return ids;
}

Result<std::vector<QueueChanged>> QueueStore::apply(
    std::span<const QueueChange> changes) {
  const std::int64_t now = parts_->clock.wall_seconds();
  Arrivals arrivals(*parts_, now);
  for (const QueueChange &change : changes) {
    for (const NewMessage &message : change.add_messages) {
      const auto taken = arrivals.take(message);
      if (!taken) return taken.error();
    }
  }
  const auto synced = arrivals.sync();
  if (!synced) return synced.error();

  std::vector<QueueChanged> results;
  Farewell farewell;
  bool added = false;
  const auto updated = parts_->update([&](Writer &writer) -> Status {
    arrivals.begin();
    results.assign(changes.size(), QueueChanged{});
    farewell.clear();
    added = false;
    auto head = head_of(writer);
    if (!head) return head.error();
    std::size_t arrival = 0;
    for (std::size_t i = 0; i < changes.size(); ++i) {
      const QueueChange &change = changes[i];
      const std::size_t first = arrival;
      arrival += change.add_messages.size();
      const auto found = writer.get(message_key(change.id));
      if (!found) return found.error();
      if (!*found) continue;
      results[i].found = true;
      const auto changed = change_message(writer, change, now, results[i]);
      if (!changed) return changed;
      for (std::size_t n = first; n < arrival; ++n) {
        const auto id = arrivals.put(writer, n, *head);
        if (!id) return id.error();
        results[i].messages.push_back(*id);
      }
      added = added || first < arrival || !change.add_recipients.empty();
      if (!change.remove) continue;
      auto file = remove_message(writer, change.id);
      if (!file) return file.error();
      farewell.add(std::move(*file));
    }
    return writer.put(head_key, write_head(*head));
  });
  if (!updated) return updated.error();
  arrivals.keep();
  farewell.carry_out(parts_->bodies);
  if (added) parts_->wake();
  return results;
}

}  // namespace moat
