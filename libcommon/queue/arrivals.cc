#include <algorithm>
#include <ctime>
#include <utility>

#include "libcommon/queue/envelope.h"
#include "libcommon/queue/session.h"
#include "libcommon/queue/store_parts.h"

namespace moat {
namespace {

constexpr std::int64_t second = 1'000'000;  // microseconds, as ids count

// What of the session outlives it.
Environment lasting(const Environment &session) {
  Environment kept = session_of(session);
  for (const char *name : {"MOAT_DEADLINE", "TCPCONNNUM", "TCPSYN"}) kept.unset(name);
  return kept;
}

bool fits(const NewMessage &message) {
  const auto too_long = [](const NewRecipient &recipient) {
    return recipient.address.size() > max_queue_address ||
           recipient.origin.size() > max_queue_address;
  };
  return message.sender.size() <= max_queue_address &&
         std::none_of(message.recipients.begin(), message.recipients.end(), too_long);
}

}  // namespace

Arrivals::~Arrivals() {
  for (const Arrival &arrival : arrivals_) {
    const bool stays = kept_ && arrival.put;
    if (!stays && !arrival.file.name.empty()) parts_.bodies.remove(arrival.file.name);
  }
}

Status Arrivals::take(const NewMessage &message) {
  if (!fits(message)) return permanent_error("address too long");
  Arrival arrival{&message, "",   message.body.octets, {}, message.body.octets.size(), 0,
                  false,    false};
  const Message &body = message.body;
  if (message.body_of) {
    const auto taken = take_copy(arrival, *message.body_of);
    if (!taken) return taken;
  } else {
    if (body.fd >= 0) arrival.size = body.size;
    if (arrival.size > parts_.settings.inline_size) {
      auto file = parts_.bodies.write(body);
      if (!file) return file.error();
      arrival.file = std::move(*file);
      arrival.sum = arrival.file.sum;
    } else if (body.fd >= 0) {
      auto octets = read_message_octets(body.fd, body.size);
      if (!octets) return octets.error();
      arrival.own_octets = std::move(*octets);
    }
  }
  if (arrival.file.name.empty()) {
    if (!arrival.own_octets.empty()) arrival.octets = arrival.own_octets;
    const auto sum = body_sum({arrival.octets});
    if (!sum) return sum.error();
    arrival.sum = *sum;
  }
  arrivals_.push_back(std::move(arrival));
  // A short string moves with its octets.
  Arrival &settled = arrivals_.back();
  if (!settled.own_octets.empty()) settled.octets = settled.own_octets;
  return done;
}

// A file gets a second name, so that each message can go without asking who
// else has its octets.
Status Arrivals::take_copy(Arrival &arrival, QueueId source) {
  const auto read = parts_.store->read([&](Reader &reader) -> Status {
    auto found = message_of(reader, source);
    if (!found) return found.error();
    arrival.missing = !*found;
    if (arrival.missing) return done;
    arrival.size = (*found)->message.size;
    arrival.sum = (*found)->body_sum;
    arrival.file.name = (*found)->message.file;
    if (!arrival.file.name.empty()) return done;
    const auto octets = reader.get(body_key(source));
    if (!octets) return octets.error();
    if (*octets) arrival.own_octets = **octets;
    return done;
  });
  const std::string name = std::exchange(arrival.file.name, {});
  if (!read) return read;
  if (!name.empty()) {
    auto file = parts_.bodies.link(name, arrival.sum);
    if (!file) return file.error();
    arrival.file = std::move(*file);
  }
  return done;
}

Status Arrivals::sync() const {
  const bool any = std::any_of(arrivals_.begin(), arrivals_.end(),
                               [](const Arrival &a) { return !a.file.name.empty(); });
  return any ? parts_.bodies.sync() : Status(done);
}

void Arrivals::begin() {
  for (Arrival &arrival : arrivals_) arrival.put = false;
}

Result<QueueId> Arrivals::put(Writer &writer, std::size_t index, QueueHead &head) {
  Arrival &arrival = arrivals_.at(index);
  if (arrival.missing) return temporary_error("the message to copy is gone");
  if (!arrival.file.name.empty() && !BodyFolder::is_there(arrival.file)) {
    return temporary_error("the message's file was taken away");
  }
  timespec fine{};
  ::clock_gettime(CLOCK_REALTIME, &fine);
  const std::int64_t microseconds = now_ * second + fine.tv_nsec / 1000;
  const QueueId id{
      std::max(head.last.value + 1, static_cast<std::uint64_t>(microseconds))};
  head.last = id;

  MessageRecord record;
  record.message.id = id;
  record.message.sender = arrival.message->sender;
  record.message.time = now_;
  record.message.size = arrival.size;
  record.message.session = lasting(arrival.message->session);
  record.message.file = arrival.file.name;
  record.body_sum = arrival.sum;
  auto put = writer.put(message_key(id), write_message(record));
  if (!put) return put.error();
  if (arrival.file.name.empty()) {
    put = writer.put(body_key(id), arrival.octets);
    if (!put) return put.error();
  }
  QueueRecipient recipient;
  recipient.due = now_;
  for (const NewRecipient &added : arrival.message->recipients) {
    recipient.address = added.address;
    recipient.origin = added.origin;
    put = put_recipient(writer, id, recipient, nullptr);
    if (!put) return put.error();
    ++recipient.number;
  }
  arrival.put = true;
  return id;
}

void Arrivals::keep() { kept_ = true; }

}  // namespace moat
