// What is known of the messages that are being delivered, and what is to be
// written down about them.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/send/expand.h"
#include "libcommon/base/clock.h"
#include "libcommon/base/log.h"
#include "libcommon/queue/store.h"
#include "libcommon/smtp/outcome.h"

namespace moat {

// The sender of a double bounce: who cannot be told that it failed (as qmail).
inline constexpr std::string_view double_bounce_sender = "#@[]";

struct LedgerSettings {
  std::string server;                               // this server's name, in reports
  std::string postmaster;                           // gets double bounces
  std::int64_t lifetime = std::int64_t{5} * 86400;  // seconds
};

// A message's pass begins when recipients are taken and ends when the last of
// them has come back. Nothing counts as done before flush() has returned well:
// what was delivered is written at once; failures are written at the end of the
// pass, in one transaction with the report to the sender, so that one report
// tells of them all and none is lost or told twice. In the same transaction goes
// a message of which no recipient is pending any more.
class Ledger {
 public:
  Ledger(const LedgerSettings &settings, QueueStore &store, const Clock &clock,
         const Log &log)
      : settings_(settings), store_(store), clock_(clock), log_(log) {}

  // Whether this recipient was taken and has not come back, or has failed.
  bool taken(QueueId id, std::uint32_t number) const;
  std::size_t open_passes() const { return passes_.size(); }

  // Begins a pass, or looks at its message again. The reference lives until the
  // pass ends, that is to close_passes().
  const QueuedMessage &open(QueuedMessage message);
  const QueuedMessage *find(QueueId id) const;
  void take(QueueId id, std::uint32_t number);

  // What became of a recipient; it need not have been taken.
  void delivered(QueueId id, std::uint32_t number, std::string_view text);
  void failed(QueueId id, std::uint32_t number, const Outcome &outcome);
  // To be tried again at `due`, or failed where the message is too old.
  void deferred(QueueId id, std::uint32_t number, const Outcome &outcome,
                std::int64_t due, bool tried);
  void replaced(QueueId id, std::uint32_t number, const Expansion &expansion);

  // Forgets a recipient: it stays as it is in the queue.
  void release(QueueId id, std::uint32_t number);

  // Ends the passes from which all have come back, and writes down everything.
  // After an error nothing was written, and the next flush writes it.
  Status flush();
  bool clean() const { return changes_.empty(); }

 private:
  struct Pass {
    QueuedMessage message;
    std::set<std::uint32_t> taken;
    std::vector<RecipientChange> failed;
    bool expanded = false;  // recipients were added that `message` does not have
  };

  using Entry = std::map<QueueId, Pass>::value_type;
  static QueueRecipient *recipient_of(Pass &pass, std::uint32_t number);
  void change(Entry &entry, std::uint32_t number, RecipientChange change);
  void close(Entry &entry);
  void add_report(Pass &pass, QueueChange &change);
  std::string report(Pass &pass, const std::string &to) const;
  void note(std::string_view event, const Pass &pass, const QueueRecipient &recipient,
            std::string_view text, std::int64_t due) const;

  const LedgerSettings &settings_;
  QueueStore &store_;
  const Clock &clock_;
  const Log &log_;
  std::map<QueueId, Pass> passes_;
  std::vector<QueueChange> changes_;
  std::deque<std::string> reports_;  // octets that changes_ point at
};

}  // namespace moat
