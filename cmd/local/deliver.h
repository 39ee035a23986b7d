// Whose mailbox it is, and delivery as that user.

#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "cmd/local/maildir.h"
#include "libcommon/base/clock.h"
#include "libcommon/process/workers.h"

namespace moat {

struct LocalSettings {
  uid_t min_uid = 100;           // root becomes nobody below this
  bool create = false;           // makes a missing Maildir
  Milliseconds timeout{300000};  // of a delivery under another user
  std::string host;              // this server's name
};

// Delivers as this process's own user or, as root, in a child that has become
// the mailbox's owner: `owner`, else whose the folder is. As root an owner below
// min_uid, or none, is deferred (4.3.5).
Outcome deliver_as_owner(const std::string &folder, const LocalMail &mail,
                         std::optional<Delivery::Owner> owner,
                         const LocalSettings &settings);

// Answers at moat-local's door: a Delivery of one recipient and its message in,
// an outcome out. A request that is not so ends the connection.
class LocalWorker final : public DoorWorker {
 public:
  LocalWorker(const LocalSettings &settings, const Log &log)
      : settings_(settings), log_(log) {}
  std::string answer(Packet request, int door, int stop) override;

 private:
  const LocalSettings &settings_;
  const Log &log_;
};

}  // namespace moat
