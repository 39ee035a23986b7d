#include "libcommon/queue/queue_record.h"

#include <algorithm>

#include "libcommon/base/text.h"
#include "libcommon/queue/envelope.h"
#include "libcommon/state/record.h"

namespace moat {
namespace {

constexpr std::string_view digits =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr std::size_t id_digits = 9;  // microseconds until the year 2398
constexpr std::size_t max_file_name = 64;
constexpr std::uint64_t max_variables = 64;
constexpr std::size_t max_variable = 8192;

void append_number(std::string &key, std::uint64_t number, unsigned octets) {
  for (unsigned i = octets; i > 0; --i) {
    key += static_cast<char>(number >> (8 * (i - 1)));
  }
}

std::uint64_t take_number(std::string_view &key, unsigned octets) {
  std::uint64_t number = 0;
  for (unsigned i = 0; i < octets; ++i) {
    number = number << 8U | static_cast<unsigned char>(key[i]);
  }
  key.remove_prefix(octets);
  return number;
}

std::string key_of(std::string_view prefix, QueueId id) {
  std::string key(prefix);
  append_number(key, id.value, 8);
  return key;
}

std::optional<QueueId> parse_key(std::string_view key, std::string_view prefix) {
  if (key.size() != prefix.size() + 8 || !key.starts_with(prefix)) return std::nullopt;
  key.remove_prefix(prefix.size());
  return QueueId{take_number(key, 8)};
}

Error damaged_record() { return Error{true, "damaged record", Cause::damaged}; }

// What a newer version wrote stays so: waiting would not help.
Result<RecordReader> open_record(std::string_view key, std::string_view record) {
  auto reader = RecordReader::open(key, record, queue_format);
  if (!reader && reader.error().cause == Cause::newer) {
    return Error{false, "queue.mdb: " + reader.error().what, Cause::newer};
  }
  return reader;
}

}  // namespace

std::string QueueId::text() const {
  std::string result(id_digits, '0');
  std::uint64_t rest = value;
  for (std::size_t i = id_digits; i > 0 && rest > 0; --i, rest /= digits.size()) {
    result[i - 1] = digits[rest % digits.size()];
  }
  return result;
}

std::optional<QueueId> QueueId::parse(std::string_view text) {
  if (text.size() != id_digits) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    const auto digit = digits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    value = value * digits.size() + digit;
  }
  return QueueId{value};
}

std::string message_key(QueueId id) { return key_of(message_prefix, id); }
std::string body_key(QueueId id) { return key_of(body_prefix, id); }
std::string recipients_key(QueueId id) { return key_of(recipient_prefix, id); }

std::string recipient_key(QueueId id, std::uint32_t number) {
  std::string key = recipients_key(id);
  append_number(key, number, 4);
  return key;
}

std::string due_key(const DueRecipient &due) {
  std::string key(due_prefix);
  append_number(key, static_cast<std::uint64_t>(std::max<std::int64_t>(due.due, 0)), 8);
  append_number(key, due.id.value, 8);
  append_number(key, due.number, 4);
  return key;
}

std::optional<QueueId> parse_message_key(std::string_view key) {
  return parse_key(key, message_prefix);
}

std::optional<QueueId> parse_body_key(std::string_view key) {
  return parse_key(key, body_prefix);
}

std::optional<RecipientKey> parse_recipient_key(std::string_view key) {
  if (key.size() != 13 || !key.starts_with(recipient_prefix)) return std::nullopt;
  key.remove_prefix(1);
  const QueueId id{take_number(key, 8)};
  return RecipientKey{id, static_cast<std::uint32_t>(take_number(key, 4))};
}

std::optional<DueRecipient> parse_due_key(std::string_view key) {
  if (key.size() != 21 || !key.starts_with(due_prefix)) return std::nullopt;
  key.remove_prefix(1);
  const std::uint64_t due = take_number(key, 8);
  if (due > std::uint64_t{INT64_MAX}) return std::nullopt;
  const QueueId id{take_number(key, 8)};
  return DueRecipient{static_cast<std::int64_t>(due), id,
                      static_cast<std::uint32_t>(take_number(key, 4))};
}

std::string write_head(const QueueHead &head) {
  RecordWriter writer;
  writer.number(head.last.value);
  return writer.seal(head_key, queue_format);
}

Result<QueueHead> read_head(std::string_view record) {
  auto reader = open_record(head_key, record);
  if (!reader) return reader.error();
  const QueueHead head{QueueId{reader->number()}};
  if (!reader->good() || !reader->at_end()) return damaged_record();
  return head;
}

std::string write_message(const MessageRecord &record) {
  const QueuedMessage &message = record.message;
  RecordWriter writer;
  writer.text(message.sender);
  writer.number(static_cast<std::uint64_t>(std::max<std::int64_t>(message.time, 0)));
  writer.number(message.size);
  writer.number(record.body_sum);
  writer.text(message.file);
  std::uint64_t count = 0;
  message.session.each("", [&](std::string_view, std::string_view) { ++count; });
  writer.number(count);
  message.session.each("", [&](std::string_view name, std::string_view value) {
    writer.text(name);
    writer.text(value);
  });
  return writer.seal(message_key(message.id), queue_format);
}

Result<MessageRecord> read_message(std::string_view key, std::string_view record) {
  const auto id = parse_message_key(key);
  if (!id) return damaged_record();
  auto reader = open_record(key, record);
  if (!reader) return reader.error();
  MessageRecord result;
  QueuedMessage &message = result.message;
  message.id = *id;
  message.sender = reader->text(max_queue_address);
  message.time = static_cast<std::int64_t>(reader->number(INT64_MAX));
  message.size = reader->number();
  result.body_sum = reader->number();
  message.file = reader->text(max_file_name);
  // The name becomes a path: no sum makes a slash harmless.
  if (message.file.find_first_of("/.") != std::string::npos) return damaged_record();
  const std::uint64_t count = reader->number(max_variables);
  for (std::uint64_t i = 0; i < count && reader->good(); ++i) {
    const std::string_view name = reader->text(max_variable);
    message.session.set(name, reader->text(max_variable));
  }
  if (!reader->good() || !reader->at_end()) return damaged_record();
  return result;
}

std::string write_recipient(QueueId id, const QueueRecipient &recipient) {
  RecordWriter writer;
  writer.text(recipient.address);
  writer.text(recipient.origin);
  writer.number(static_cast<std::uint64_t>(recipient.state));
  writer.number(recipient.held ? 1 : 0);
  writer.number(recipient.attempts);
  writer.number(static_cast<std::uint64_t>(std::max<std::int64_t>(recipient.due, 0)));
  writer.text(std::string_view(recipient.text).substr(0, max_recipient_text));
  return writer.seal(recipient_key(id, recipient.number), queue_format);
}

Result<QueueRecipient> read_recipient(std::string_view key, std::string_view record) {
  const auto place = parse_recipient_key(key);
  if (!place) return damaged_record();
  auto reader = open_record(key, record);
  if (!reader) return reader.error();
  QueueRecipient recipient;
  recipient.number = place->number;
  recipient.address = reader->text(max_queue_address);
  recipient.origin = reader->text(max_queue_address);
  const std::uint64_t state = reader->number(4);
  recipient.state = static_cast<RecipientState>(state);
  recipient.held = reader->number(1) == 1;
  recipient.attempts = static_cast<std::uint32_t>(reader->number(UINT32_MAX));
  recipient.due = static_cast<std::int64_t>(reader->number(INT64_MAX));
  recipient.text = reader->text(max_recipient_text);
  if (!reader->good() || !reader->at_end() || state == 0) return damaged_record();
  return recipient;
}

}  // namespace moat
