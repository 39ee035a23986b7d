// The records of queue.mdb, in the form that moat-queue-format(5) describes.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libcommon/base/result.h"
#include "libcommon/queue/store.h"

namespace moat {

// Keys are a letter and numbers, big-endian, so that they sort as the numbers.
inline constexpr std::string_view head_key = "q";          // the queue's own record
inline constexpr std::string_view message_prefix = "m";    // and the id
inline constexpr std::string_view body_prefix = "b";       // and the id
inline constexpr std::string_view recipient_prefix = "r";  // and the id and the number
inline constexpr std::string_view due_prefix = "d";        // and when, the id, the number

// The newest form of each record that this program knows.
inline constexpr std::uint8_t queue_format = 1;

inline constexpr std::size_t max_recipient_text = 1000;  // octets of the last answer

std::string message_key(QueueId id);
std::string body_key(QueueId id);
std::string recipients_key(QueueId id);  // the prefix of all of a message's
std::string recipient_key(QueueId id, std::uint32_t number);
std::string due_key(const DueRecipient &due);

// Each returns nullopt for a key that is none of its kind.
std::optional<QueueId> parse_message_key(std::string_view key);
std::optional<QueueId> parse_body_key(std::string_view key);
struct RecipientKey {
  QueueId id;
  std::uint32_t number;
};
std::optional<RecipientKey> parse_recipient_key(std::string_view key);
std::optional<DueRecipient> parse_due_key(std::string_view key);

// The queue's own record: ids up to `last` were given out.
struct QueueHead {
  QueueId last;
};

// A message's record holds what QueuedMessage does, but for its recipients, and
// the sum of the octets, wherever these are.
struct MessageRecord {
  QueuedMessage message;
  std::uint64_t body_sum = 0;
};

// Each write_ returns the record to store under the key; each read_ checks and
// parses one: Cause::damaged, or Cause::newer (permanent) for one that a later
// version wrote.
std::string write_head(const QueueHead &head);
Result<QueueHead> read_head(std::string_view record);
std::string write_message(const MessageRecord &record);
Result<MessageRecord> read_message(std::string_view key, std::string_view record);
std::string write_recipient(QueueId id, const QueueRecipient &recipient);
Result<QueueRecipient> read_recipient(std::string_view key, std::string_view record);

// Whether a recipient stands in the index of those that are due.
inline bool is_in_due_index(const QueueRecipient &recipient) {
  return recipient.state == RecipientState::pending && !recipient.held;
}

}  // namespace moat
