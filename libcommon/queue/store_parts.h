// What a QueueStore is made of. For the sources of the store alone.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/queue/body_folder.h"
#include "libcommon/queue/queue_record.h"
#include "libcommon/queue/store.h"
#include "libcommon/state/store.h"

namespace moat {

struct QueueStore::Parts {
  QueueSettings settings;
  Clock clock;
  std::unique_ptr<Store> store;
  BodyFolder bodies;
  Fd trigger;

  Status update(const std::function<Status(Writer &)> &body) const {
    return store->update(Deadline::after(settings.write_wait), body);
  }

  // Tells send that there is something to do. A message that nobody was told of
  // waits for send's next look round, no longer.
  void wake() const;
};

std::string queue_file(const QueueSettings &settings);
std::string trigger_file(const QueueSettings &settings);
std::string body_folder(const QueueSettings &settings);

// Read what a view holds; a missing head is one that gave out no id yet.
Result<QueueHead> head_of(Reader &reader);
Result<std::optional<MessageRecord>> message_of(Reader &reader, QueueId id);
Result<std::vector<QueueRecipient>> recipients_of(Reader &reader, QueueId id);

// Puts a recipient and its place in the index; `before` is what was there.
Status put_recipient(Writer &writer, QueueId id, const QueueRecipient &recipient,
                     const QueueRecipient *before);

// Removes all that the queue knows of a message. Returns the name of its file,
// which may be removed once this is committed; empty where it has none.
Result<std::string> remove_message(Writer &writer, QueueId id);

// Files that may go once the transaction that forgets them is committed: until
// then a crash would leave a record without its octets.
class Farewell {
 public:
  void add(std::string name) {
    if (!name.empty()) names_.push_back(std::move(name));
  }
  void clear() { names_.clear(); }
  void carry_out(const BodyFolder &bodies) const {
    for (const std::string &name : names_) bodies.remove(name);
  }

 private:
  std::vector<std::string> names_;
};

// Messages on their way into the queue: their files are written and synced
// before, and go again unless a commit names them.
class Arrivals {
 public:
  Arrivals(const QueueStore::Parts &parts, std::int64_t now) : parts_(parts), now_(now) {}
  Arrivals(const Arrivals &) = delete;
  Arrivals &operator=(const Arrivals &) = delete;
  ~Arrivals();

  // Takes in a message's octets, where they are too many for a record as a file.
  // `message` must live as long as this.
  Status take(const NewMessage &message);

  // Syncs the folder, once for all. To be called before the update.
  Status sync() const;

  // To be called at the start of each transaction: nothing was put yet.
  void begin();

  // Puts the message taken as number `index` into the transaction. One whose
  // octets are those of a queued message that is gone is an error.
  Result<QueueId> put(Writer &writer, std::size_t index, QueueHead &head);

  // After the commit: files of what was put stay.
  void keep();

 private:
  struct Arrival {
    const NewMessage *message;
    std::string own_octets;   // read from a descriptor
    std::string_view octets;  // where they go into a record
    BodyFolder::File file;    // else
    std::uint64_t size;
    std::uint64_t sum;
    bool put;
    bool missing;  // the message to copy from is gone
  };
  Status take_copy(Arrival &arrival, QueueId source);

  const QueueStore::Parts &parts_;
  std::int64_t now_;
  std::vector<Arrival> arrivals_;
  bool kept_ = false;
};

}  // namespace moat
