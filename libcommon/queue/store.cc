#include "libcommon/queue/store.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "libcommon/base/io.h"
#include "libcommon/queue/store_parts.h"

namespace moat {
namespace {

constexpr std::size_t batch = 256;  // messages or entries looked at in one view

Status make_folder(const std::string &path, uid_t uid, gid_t gid) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return system_error(path);
  if (::chown(path.c_str(), uid, gid) != 0) return system_error(path);
  return done;
}

Status make_trigger(const std::string &path, uid_t uid, gid_t gid) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!file) return system_error(path);
  if (::fchown(file.get(), uid, gid) != 0) return system_error(path);
  return done;
}

}  // namespace

std::string queue_file(const QueueSettings &settings) {
  return settings.folder + "/queue.mdb";
}

std::string trigger_file(const QueueSettings &settings) {
  return settings.folder + "/trigger";
}

std::string body_folder(const QueueSettings &settings) {
  return settings.folder + "/mess";
}

QueueStore::QueueStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
QueueStore::~QueueStore() = default;

Status QueueStore::create(const QueueSettings &settings, uid_t uid, gid_t gid) {
  for (const std::string &folder : {settings.folder, body_folder(settings)}) {
    auto made = make_folder(folder, uid, gid);
    if (!made) return made;
  }
  auto made = make_trigger(trigger_file(settings), uid, gid);
  if (!made) return made;
  return Store::create(queue_file(settings), 0600, uid, gid);
}

Result<std::unique_ptr<QueueStore>> QueueStore::open(const QueueSettings &settings,
                                                     const Clock &clock) {
  const std::string trigger = trigger_file(settings);
  Fd trigger_fd(::open(trigger.c_str(), O_WRONLY | O_CLOEXEC));
  if (!trigger_fd) return system_error(trigger);
  auto store =
      Store::open(queue_file(settings), {.synced = true, .ceiling = settings.map_size});
  if (!store) return store.error();
  auto parts = std::make_unique<Parts>(Parts{settings, clock, std::move(*store),
                                             BodyFolder(body_folder(settings)),
                                             std::move(trigger_fd)});
  // Before anything is accepted: a queue that a newer version wrote is its own.
  const auto known = parts->store->read([](Reader &reader) -> Status {
    const auto head = head_of(reader);
    if (!head) return head.error();
    return done;
  });
  if (!known) return known.error();
  return std::unique_ptr<QueueStore>(new QueueStore(std::move(parts)));
}

Status QueueStore::each_due(std::int64_t now,
                            const std::function<bool(const DueRecipient &)> &call) const {
  std::string from(due_prefix);
  for (;;) {
    std::vector<DueRecipient> due;
    const auto read = parts_->store->read([&](Reader &reader) -> Status {
      while (due.size() < batch) {
        const auto entry = reader.at_or_after(from);
        if (!entry) return entry.error();
        if (!*entry) return done;
        const auto found = parse_due_key((*entry)->key);
        if (!found || found->due > now) return done;
        due.push_back(*found);
        from.assign((*entry)->key) += '\0';
      }
      return done;
    });
    if (!read) return read;
    for (const DueRecipient &recipient : due) {
      if (!call(recipient)) return done;
    }
    if (due.size() < batch) return done;
  }
}

Result<std::optional<std::int64_t>> QueueStore::next_due(std::int64_t after) const {
  std::optional<std::int64_t> next;
  const auto read = parts_->store->read([&](Reader &reader) -> Status {
    const auto entry = reader.at_or_after(due_key({after + 1, {}, 0}));
    if (!entry) return entry.error();
    if (!*entry) return done;
    if (const auto found = parse_due_key((*entry)->key)) next = found->due;
    return done;
  });
  if (!read) return read.error();
  return next;
}

Result<std::optional<QueuedMessage>> QueueStore::find(QueueId id) const {
  std::optional<QueuedMessage> message;
  const auto read = parts_->store->read([&](Reader &reader) -> Status {
    auto found = message_of(reader, id);
    if (!found) return found.error();
    if (!*found) return done;
    auto recipients = recipients_of(reader, id);
    if (!recipients) return recipients.error();
    message = std::move((*found)->message);
    message->recipients = std::move(*recipients);
    return done;
  });
  if (!read) return read.error();
  return message;
}

Result<QueuedBody> QueueStore::read_body(const QueuedMessage &message) const {
  QueuedBody body;
  body.size = message.size;
  std::uint64_t sum = 0;
  const auto read = parts_->store->read([&](Reader &reader) -> Status {
    const auto record = message_of(reader, message.id);
    if (!record) return record.error();
    if (!*record) return temporary_error("message " + message.id.text() + " is gone");
    sum = (*record)->body_sum;
    if (!message.file.empty()) return done;
    const auto octets = reader.get(body_key(message.id));
    if (!octets) return octets.error();
    if (*octets) body.octets = **octets;
    return done;
  });
  if (!read) return read.error();
  if (!message.file.empty()) {
    auto file = parts_->bodies.open(message.file);
    if (!file) return file.error();
    body.file = std::move(*file);
  }
  const auto found = body_sum(body.message());
  if (!found || *found != sum ||
      (message.file.empty() && body.octets.size() != message.size)) {
    return Error{true, "message " + message.id.text() + " is damaged", Cause::damaged};
  }
  return body;
}

Result<std::uint64_t> QueueStore::each(
    const std::function<bool(const QueuedMessage &)> &call) const {
  std::uint64_t damaged = 0;
  std::string from(message_prefix);
  for (;;) {
    std::vector<QueuedMessage> messages;
    bool more = true;
    const auto read = parts_->store->read([&](Reader &reader) -> Status {
      while (messages.size() < batch) {
        const auto entry = reader.at_or_after(from);
        if (!entry) return entry.error();
        more = *entry && (*entry)->key.starts_with(message_prefix);
        if (!more) return done;
        from = (*entry)->key;
        auto record = read_message(from, (*entry)->value);
        from += '\0';
        if (!record && record.error().cause == Cause::newer) return record.error();
        auto recipients = record ? recipients_of(reader, record->message.id)
                                 : Result<std::vector<QueueRecipient>>(record.error());
        if (!recipients) {
          ++damaged;
          continue;
        }
        record->message.recipients = std::move(*recipients);
        messages.push_back(std::move(record->message));
      }
      return done;
    });
    if (!read) return read.error();
    for (const QueuedMessage &message : messages) {
      if (!call(message)) return damaged;
    }
    if (!more) return damaged;
  }
}

Result<QueueStats> QueueStore::stats() const {
  QueueStats stats;
  const auto counted = each([&](const QueuedMessage &message) {
    ++stats.messages;
    stats.octets += message.size;
    if (stats.oldest == 0) stats.oldest = message.time;
    for (const QueueRecipient &recipient : message.recipients) {
      if (recipient.state != RecipientState::pending) {
        ++stats.finished;
        continue;
      }
      ++stats.pending;
      if (recipient.held) ++stats.held;
      if (recipient.attempts > 0) ++stats.deferred;
    }
    return true;
  });
  if (!counted) return counted.error();
  stats.damaged = *counted;
  return stats;
}

Result<Fd> QueueStore::watch(const QueueSettings &settings) {
  const std::string path = trigger_file(settings);
  Fd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) return system_error("inotify");
  if (::inotify_add_watch(fd.get(), path.c_str(), IN_MODIFY) < 0) {
    return system_error(path);
  }
  return fd;
}

void QueueStore::drain_watch(int fd) {
  alignas(inotify_event) std::array<char, 4096> events;
  while (::read(fd, events.data(), events.size()) > 0) {
  }
}

}  // namespace moat
