// Looking whether a queue is whole.

#include <set>

#include "libcommon/queue/store_parts.h"

namespace moat {
namespace {

constexpr std::size_t batch = 1024;  // records looked at in one view

using Finding = std::function<void(const std::string &)>;

// Each returns what is wrong with a record, or "".

std::string fault_of_message(Reader &reader, QueueId id, const Entry &entry) {
  const auto record = read_message(entry.key, entry.value);
  if (!record) return record.error().what;
  const std::string first = recipients_key(id);
  const auto recipient = reader.at_or_after(first);
  if (recipient && *recipient && (*recipient)->key.starts_with(first)) return "";
  return "no recipients";
}

std::string fault_of_recipient(Reader &reader, const RecipientKey &place,
                               const Entry &entry) {
  const auto recipient = read_recipient(entry.key, entry.value);
  if (!recipient) return recipient.error().what;
  const auto message = reader.get(message_key(place.id));
  if (!message || !*message) return "no message";
  if (!is_in_due_index(*recipient)) return "";
  const auto due = reader.get(due_key({recipient->due, place.id, place.number}));
  return due && *due ? "" : "not in the index of what is due";
}

std::string fault_of_due(Reader &reader, const DueRecipient &due) {
  const std::string key = recipient_key(due.id, due.number);
  const auto record = reader.get(key);
  if (!record || !*record) return "no recipient";
  const auto recipient = read_recipient(key, **record);
  if (!recipient) return "";  // told of where it stands
  return is_in_due_index(*recipient) && recipient->due == due.due ? "" : "out of date";
}

// Returns "KIND ID: FAULT", or "" for a record that is whole.
std::string fault_of(Reader &reader, const Entry &entry) {
  const auto told = [](std::string_view kind, QueueId id, const std::string &fault) {
    return fault.empty() ? "" : std::string(kind) + " " + id.text() + ": " + fault;
  };
  if (entry.key == head_key) {
    const auto head = read_head(entry.value);
    return head ? "" : "head: " + head.error().what;
  }
  if (const auto id = parse_message_key(entry.key)) {
    return told("message", *id, fault_of_message(reader, *id, entry));
  }
  if (const auto id = parse_body_key(entry.key)) {
    const auto message = reader.get(message_key(*id));
    return told("octets", *id, message && *message ? "" : "no message");
  }
  if (const auto place = parse_recipient_key(entry.key)) {
    return told("recipient of", place->id, fault_of_recipient(reader, *place, entry));
  }
  if (const auto due = parse_due_key(entry.key)) {
    return told("due time of", due->id, fault_of_due(reader, *due));
  }
  return "a record of no known kind";
}

// Looks at every record, some in each view. Returns how many were wrong.
Result<std::uint64_t> check_records(Store &store, const Finding &finding) {
  std::uint64_t faults = 0;
  for (std::string from;;) {
    bool more = true;
    std::vector<std::string> found;
    const auto read = store.read([&](Reader &reader) -> Status {
      for (std::size_t i = 0; i < batch; ++i) {
        const auto entry = reader.at_or_after(from);
        if (!entry) return entry.error();
        more = entry->has_value();
        if (!more) return done;
        from.assign((*entry)->key) += '\0';
        std::string fault = fault_of(reader, **entry);
        if (!fault.empty()) found.push_back(std::move(fault));
      }
      return done;
    });
    if (!read) return read.error();
    for (const std::string &fault : found) finding(fault);
    faults += found.size();
    if (!more) return faults;
  }
}

}  // namespace

Result<std::uint64_t> QueueStore::check(const Finding &finding) const {
  const auto pages = parts_->store->check();
  if (!pages) return pages.error();
  auto faults = check_records(*parts_->store, finding);
  if (!faults) return faults;
  const auto looked = each([&](const QueuedMessage &message) {
    const auto body = read_body(message);
    if (body) return true;
    const auto still = find(message.id);
    if (still && !*still) return true;  // it went while we looked
    finding("octets " + message.id.text() + ": " + body.error().what);
    ++*faults;
    return true;
  });
  if (!looked) return looked.error();
  return faults;
}

}  // namespace moat
