// The queue: accepted messages and what became of each recipient, in queue.mdb
// under MOAT_SPOOL. Messages over a threshold lie in files of their own under
// mess/. The form of both is in moat-queue-format(5).
//
// Every change is one transaction, synced before the call returns: after it,
// neither SIGKILL nor a power loss takes it back; before it, nothing is seen of
// it. Several processes work on one queue at the same time; none holds a view
// of it across calls. Times are wall seconds (Clock::wall_seconds).

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/clock.h"
#include "libcommon/base/environment.h"
#include "libcommon/base/fd.h"
#include "libcommon/base/result.h"
#include "libcommon/queue/submit.h"

namespace moat {

// Names a message: unique in its queue for ever, and later ones sort later, as
// numbers and as text.
struct QueueId {
  std::uint64_t value = 0;

  // Returns the nine digits that logs and moat-queuectl show.
  std::string text() const;
  static std::optional<QueueId> parse(std::string_view text);

  friend auto operator<=>(const QueueId &, const QueueId &) = default;
};

enum class RecipientState : std::uint8_t {
  pending = 1,    // to be delivered, unless it is held
  delivered = 2,  // done
  failed = 3,     // given up; the sender is to be told, or was
  replaced = 4,   // an alias or list: others stand for it
};

// One recipient of a message.
struct QueueRecipient {
  std::uint32_t number = 0;  // from 0; of its message, never used twice
  std::string address;
  std::string origin;  // the address that this one stands for, empty when none
  RecipientState state = RecipientState::pending;
  bool held = false;           // by the administrator: not due until released
  std::uint32_t attempts = 0;  // made so far
  std::int64_t due = 0;        // when to try next
  std::string text;            // the last answer: one line, 1,000 octets kept
};

// A message without its octets.
struct QueuedMessage {
  QueueId id;
  std::string sender;     // empty: the null sender
  std::int64_t time = 0;  // when it was queued
  std::uint64_t size = 0;
  Environment session;  // of the fixed list (session.h)
  std::string file;     // its name under mess/; empty: the octets are in the record
  std::vector<QueueRecipient> recipients;  // by number
};

// A message's octets, found undamaged.
struct QueuedBody {
  std::string octets;  // when `file` is none
  Fd file;             // read-only, at its start
  std::uint64_t size = 0;

  // Returns the two as submit.h and the delivery doors take them. The views
  // live as long as this body.
  Message message() const { return {octets, file.get(), size}; }
};

// One recipient whose time has come.
struct DueRecipient {
  std::int64_t due;
  QueueId id;
  std::uint32_t number;
};

// A recipient to be added: due at once.
struct NewRecipient {
  std::string address;
  std::string origin = {};
};

// A message to be added.
struct NewMessage {
  std::string sender;
  std::vector<NewRecipient> recipients;
  Environment session = {};
  // The octets: of this message (views and descriptor stay the caller's), or,
  // where `body_of` is set, the same as that queued message has.
  Message body = {};
  std::optional<QueueId> body_of = std::nullopt;
};

// What became of one recipient.
struct RecipientChange {
  std::uint32_t number;
  RecipientState state;
  std::string text;
  std::uint32_t attempts;
  std::int64_t due = 0;  // when pending
};

// What is to be changed about one message, all of it or nothing. Added
// recipients and messages (an alias's targets, a list's members, a bounce) come
// with the change that makes them necessary, so none is lost or doubled.
struct QueueChange {
  QueueId id;
  std::vector<RecipientChange> recipients = {};
  std::vector<NewRecipient> add_recipients = {};
  std::vector<NewMessage> add_messages = {};
  bool remove = false;  // forgets it, after the rest was done
};

// What came of a QueueChange.
struct QueueChanged {
  bool found;                             // false: the message is gone, nothing was done
  std::vector<std::uint32_t> recipients;  // numbers of the recipients added
  std::vector<QueueId> messages;          // ids of the messages added
};

struct QueueStats {
  std::uint64_t messages = 0;
  std::uint64_t octets = 0;    // of the messages
  std::uint64_t pending = 0;   // recipients, as the next four
  std::uint64_t held = 0;      // of the pending
  std::uint64_t deferred = 0;  // of the pending: tried at least once
  std::uint64_t finished = 0;  // of messages that others still keep
  std::int64_t oldest = 0;     // when the oldest message was queued; 0: none
  std::uint64_t damaged = 0;   // messages that could not be counted
};

struct QueueSettings {
  std::string folder;                                     // MOAT_SPOOL
  std::uint64_t map_size = std::uint64_t{8} << 30U;       // bound of queue.mdb, octets
  std::uint64_t inline_size = std::uint64_t{256} << 10U;  // over it: a file of its own
  Milliseconds write_wait = Milliseconds(60'000);         // for other writers
};

class QueueStore {
 public:
  // Opens the queue that `moat-statectl init` made; mess/ and the trigger must
  // be there too. Missing, not permitted, damaged: a temporary error; a format
  // newer than this program knows: permanent.
  static Result<std::unique_ptr<QueueStore>> open(const QueueSettings &settings,
                                                  const Clock &clock);

  // Makes an empty queue, files and folders, where none is, closed to all but its
  // owner; what is there keeps what it holds. `uid` and `gid` as chown(2) takes
  // them, -1 leaves them.
  static Status create(const QueueSettings &settings, uid_t uid, gid_t gid);

  QueueStore(const QueueStore &) = delete;
  QueueStore &operator=(const QueueStore &) = delete;
  ~QueueStore();

  // Adds messages, each of them or none, in one transaction, and wakes send.
  // `visible` is asked last before the commit, once for each message in order:
  // where it says no, that message stays out and its id is 0. A full disk,
  // inode table or map is a temporary error that leaves nothing behind.
  Result<std::vector<QueueId>> add(
      std::span<const NewMessage> messages,
      const std::function<bool(std::size_t)> &visible = nullptr);

  // Makes the changes, all in one transaction; wakes nobody but for messages
  // and recipients added. The result is in the order of the changes.
  Result<std::vector<QueueChanged>> apply(std::span<const QueueChange> changes);

  // Calls with each recipient due at `now`, the longest due first, until the
  // call returns false. The call may use this store.
  Status each_due(std::int64_t now,
                  const std::function<bool(const DueRecipient &)> &call) const;

  // Returns when the first recipient is due that is not due at `after` already;
  // nullopt: none.
  Result<std::optional<std::int64_t>> next_due(std::int64_t after) const;

  // Finds a message with its recipients; nullopt: no such message. A damaged
  // record is an error that says so.
  Result<std::optional<QueuedMessage>> find(QueueId id) const;

  // Reads its octets and checks them. Damaged or missing is a temporary error:
  // the administrator may yet save it.
  Result<QueuedBody> read_body(const QueuedMessage &message) const;

  // Calls with each message, the oldest first, until the call returns false.
  // Damaged ones are left out and counted. The call may use this store.
  Result<std::uint64_t> each(
      const std::function<bool(const QueuedMessage &)> &call) const;

  // Each does what moat-queuectl's word says, for one message or (nullopt) all,
  // wakes send, and returns how many messages it was done to.
  Result<std::uint64_t> retry(std::optional<QueueId> id);
  Result<std::uint64_t> hold(std::optional<QueueId> id);
  Result<std::uint64_t> release(std::optional<QueueId> id);
  Result<std::uint64_t> remove(std::optional<QueueId> id);

  Result<QueueStats> stats() const;

  // Reads everything: pages, records, octets, and whether they fit together.
  // Calls with each fault, one line, and returns how many there are. Damage that
  // makes the rest unreadable is an error, Cause::damaged.
  Result<std::uint64_t> check(
      const std::function<void(const std::string &)> &finding) const;

  // Removes files under mess/ that no record names and that nobody has touched
  // for 36 hours: leftovers of injections that were killed. Returns how many.
  // To be called at start and every hour, by send.
  Result<std::uint64_t> remove_leftovers();

  // Returns a descriptor that becomes readable whenever somebody wakes send;
  // the reader empties it with drain_watch before it looks for what is due.
  static Result<Fd> watch(const QueueSettings &settings);
  static void drain_watch(int fd);

  struct Parts;  // for the sources of this class

 private:
  explicit QueueStore(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace moat
