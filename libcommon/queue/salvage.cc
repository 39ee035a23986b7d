#include "libcommon/queue/salvage.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "libcommon/base/io.h"
#include "libcommon/queue/store_parts.h"
#include "libcommon/state/page_scan.h"

namespace moat {
namespace {

constexpr std::size_t batch = 64;  // messages saved at once

// A message as far as its records were found whole.
struct Found {
  MessageRecord record;
  bool has_record = false;
  bool reached = false;  // else only found in a page that is out of use
  bool saved = false;
  std::map<std::uint32_t, QueueRecipient> recipients;
};

class Salvage {
 public:
  Salvage(const QueueSettings &settings, const Clock &clock,
          const std::function<void(const std::string &)> &tell)
      : settings_(settings),
        clock_(clock),
        tell_(tell),
        old_(queue_file(settings)),
        fresh_(queue_file(settings) + ".salvaged"),
        bodies_(body_folder(settings)) {}

  Result<Salvaged> run() {
    const auto in_use = is_store_in_use(old_);
    if (!in_use) return in_use.error();
    if (*in_use) {
      return Error{true, "the queue is in use: stop moat-queue and moat-send first",
                   Cause::busy};
    }
    const auto lock = WriterLock::take(old_, Deadline::after(settings_.write_wait));
    if (!lock) return lock.error();

    for (const std::string_view prefix : {message_prefix, recipient_prefix, head_key}) {
      all_reached_ = walk(prefix) && all_reached_;
    }
    if (!all_reached_ || !damaged_.empty()) {
      const auto scanned =
          scan_store_pages(old_, [this](std::string_view key, std::string_view value) {
            if (is_wanted(key)) take(key, value, false);
          });
      if (!scanned) return scanned.error();
    }
    const auto written = write_fresh();
    if (!written) return written.error();
    const auto placed = put_in_place();
    if (!placed) return placed.error();
    return result_;
  }

 private:
  // Takes what can be reached. Returns whether that was all there is. Opened anew
  // each time, for after damage a store answers nothing more.
  bool walk(std::string_view prefix) {
    auto store = Store::open(old_, {.synced = true, .ceiling = settings_.map_size});
    if (!store) return false;
    const auto read = (*store)->read([&](Reader &reader) {
      return reader.each(prefix, [&](const Entry &entry) {
        if (!take(entry.key, entry.value, true)) damaged_.emplace(entry.key);
        if (const auto id = id_of(entry.key)) known_.insert(*id);
        return true;
      });
    });
    return read.has_value();
  }

  static std::optional<QueueId> id_of(std::string_view key) {
    if (const auto place = parse_recipient_key(key)) return place->id;
    return parse_message_key(key);
  }

  // Whether an older form of the record is better than none: where all could be
  // reached, only of those that were damaged.
  bool is_wanted(std::string_view key) const {
    return !all_reached_ || damaged_.contains(std::string(key));
  }

  // Returns whether the record is whole. What was reached wins over what was
  // only found; of two that were only found, the one that knows more.
  bool take(std::string_view key, std::string_view value, bool reached) {
    if (key == head_key) {
      const auto head = read_head(value);
      if (head) last_ = std::max(last_, head->last);
      return head.has_value();
    }
    if (const auto id = parse_message_key(key)) {
      auto record = read_message(key, value);
      if (!record) return false;
      Found &found = found_[*id];
      if (found.has_record) return true;
      found.record = std::move(*record);
      found.has_record = true;
      found.reached = reached;
      last_ = std::max(last_, *id);
      return true;
    }
    const auto place = parse_recipient_key(key);
    if (!place) return true;
    auto recipient = read_recipient(key, value);
    if (!recipient) return false;
    auto &recipients = found_[place->id].recipients;
    const auto before = recipients.find(place->number);
    if (before == recipients.end()) {
      recipients[place->number] = std::move(*recipient);
      reached_[{place->id, place->number}] = reached;
    } else if (!reached_[{place->id, place->number}] &&
               knows_more(*recipient, before->second)) {
      before->second = std::move(*recipient);
    }
    return true;
  }

  static bool knows_more(const QueueRecipient &a, const QueueRecipient &b) {
    const bool finished = a.state != RecipientState::pending;
    if (finished != (b.state != RecipientState::pending)) return finished;
    return a.attempts > b.attempts;
  }

  Status write_fresh() {
    for (const char *suffix : {"", "-lock", ".writer"}) {
      ::unlink((fresh_ + suffix).c_str());
    }
    struct stat info{};
    if (::stat(old_.c_str(), &info) != 0) return system_error(old_);
    const auto made =
        Store::create(fresh_, info.st_mode & 07777, info.st_uid, info.st_gid);
    if (!made) return made;
    // Synced once, at the end: until the rename nobody relies on it.
    auto store = Store::open(fresh_, {.synced = false, .ceiling = settings_.map_size});
    if (!store) return store.error();
    auto written = write_messages(**store);
    if (!written) return written;
    for (const QueueId id : known_) {
      if (found_[id].saved) continue;
      ++result_.lost;
      tell_("message " + id.text() + ": lost");
    }
    written = (*store)->update(Deadline::never(), [&](Writer &writer) {
      return writer.put(head_key, write_head({last_}));
    });
    return written ? (*store)->sync() : written;
  }

  Status write_messages(Store &fresh) {
    for (auto &[id, found] : found_) {
      if (!found.has_record || found.recipients.empty()) continue;
      if (found.record.message.file.empty()) continue;
      if (file_is_whole(found.record)) {
        const auto written = write_message_records(fresh, id, found, nullptr);
        if (!written) return written;
      }
    }
    auto written = write_reached_octets(fresh);
    if (!written) return written;
    const bool all = std::all_of(found_.begin(), found_.end(), [](const auto &entry) {
      return entry.second.saved || !entry.second.record.message.file.empty();
    });
    if (all) return done;
    // The sum in the message's record tells its octets from anybody else's.
    Status status = done;
    const auto scanned =
        scan_store_pages(old_, [&](std::string_view key, std::string_view octets) {
          if (status) status = write_if_octets(fresh, key, octets);
        });
    return scanned ? status : scanned;
  }

  // Reads the octets that can be reached, some messages in each view.
  Status write_reached_octets(Store &fresh) {
    auto store = Store::open(old_, {.synced = true, .ceiling = settings_.map_size});
    if (!store) return done;
    for (std::string from(body_prefix);;) {
      std::vector<std::pair<std::string, std::string>> entries;
      const auto read = (*store)->read([&](Reader &reader) -> Status {
        while (entries.size() < batch) {
          const auto entry = reader.at_or_after(from);
          if (!entry) return entry.error();
          if (!*entry || !(*entry)->key.starts_with(body_prefix)) return done;
          from.assign((*entry)->key) += '\0';
          entries.emplace_back((*entry)->key, (*entry)->value);
        }
        return done;
      });
      for (const auto &[key, octets] : entries) {
        auto written = write_if_octets(fresh, key, octets);
        if (!written) return written;
      }
      if (!read || entries.size() < batch) return done;
    }
  }

  Status write_if_octets(Store &fresh, std::string_view key, std::string_view octets) {
    const auto id = parse_body_key(key);
    const auto place = id ? found_.find(*id) : found_.end();
    if (place == found_.end()) return done;
    Found &found = place->second;
    const QueuedMessage &message = found.record.message;
    if (found.saved || !found.has_record || found.recipients.empty() ||
        !message.file.empty() || octets.size() != message.size) {
      return done;
    }
    const auto sum = body_sum({octets});
    if (!sum || *sum != found.record.body_sum) return done;
    return write_message_records(fresh, *id, found, &octets);
  }

  bool file_is_whole(const MessageRecord &record) const {
    const auto file = bodies_.open(record.message.file);
    if (!file) return false;
    struct stat info{};
    if (::fstat(file->get(), &info) != 0) return false;
    if (static_cast<std::uint64_t>(info.st_size) != record.message.size) return false;
    const auto sum = body_sum({{}, file->get(), record.message.size});
    return sum && *sum == record.body_sum;
  }

  Status write_message_records(Store &fresh, QueueId id, Found &found,
                               const std::string_view *octets) {
    const auto written = fresh.update(Deadline::never(), [&](Writer &writer) -> Status {
      auto put = writer.put(message_key(id), write_message(found.record));
      if (put && octets != nullptr) put = writer.put(body_key(id), *octets);
      for (const auto &[number, recipient] : found.recipients) {
        if (!put) return put;
        QueueRecipient kept = recipient;
        kept.number = number;
        if (!found.reached) kept.held = true;
        put = put_recipient(writer, id, kept, nullptr);
      }
      return put;
    });
    if (!written) return written;
    found.saved = true;
    ++result_.messages;
    if (!found.reached) {
      ++result_.held;
      tell_("message " + id.text() + ": held");
    }
    return done;
  }

  // The old file keeps its name until the new one takes it.
  Status put_in_place() {
    result_.kept_as = old_ + ".damaged-" + std::to_string(clock_.wall_seconds());
    if (::link(old_.c_str(), result_.kept_as.c_str()) != 0) {
      return system_error(result_.kept_as);
    }
    if (::rename(fresh_.c_str(), old_.c_str()) != 0) return system_error(old_);
    for (const char *suffix : {"-lock", ".writer"}) ::unlink((fresh_ + suffix).c_str());
    return sync_folder(settings_.folder);
  }

  const QueueSettings &settings_;
  const Clock &clock_;
  const std::function<void(const std::string &)> &tell_;
  std::string old_;
  std::string fresh_;
  BodyFolder bodies_;
  std::map<QueueId, Found> found_;
  std::map<std::pair<QueueId, std::uint32_t>, bool> reached_;
  QueueId last_;
  std::set<QueueId> known_;        // messages that have records in reach
  std::set<std::string> damaged_;  // keys of records that were reached
  bool all_reached_ = true;
  Salvaged result_;
};

}  // namespace

Result<Salvaged> salvage_queue(const QueueSettings &settings, const Clock &clock,
                               const std::function<void(const std::string &)> &tell) {
  return Salvage(settings, clock, tell).run();
}

}  // namespace moat
