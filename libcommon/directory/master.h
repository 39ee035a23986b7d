// Masters: control.mdb, what the administrator said, and relay.mdb, the relay
// windows from the door. Each change is one synced commit, and is then
// published for those who only read.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "libcommon/base/places.h"
#include "libcommon/base/result.h"
#include "libcommon/process/invocation.h"
#include "libcommon/state/store.h"

namespace moat {

class Master {
 public:
  enum class Which { control, relay };

  // Opens a master, once a process. Its files must be there: statectl init.
  static Result<Master> open(Invocation &invocation, const Places &places, Which which);

  Status read(const std::function<Status(Reader &)> &body) const;

  // Runs `body` in one transaction, commits, publishes. `body` may run twice
  // (Store::update). An error of `body` changes nothing. Where publishing fails
  // the change is made but not yet seen, and the error says so; the next
  // change, or `moat-statectl keep`, publishes it.
  Status change(const std::function<Status(Writer &)> &body) const;

  // Publishes what the master holds.
  Status publish() const;

  // Whether what is published is what the master holds.
  Result<bool> is_published() const;

  // Returns how many relay networks have ended at `now` (wall seconds).
  Result<unsigned> count_ended(std::int64_t now) const;

  const std::string &public_path() const { return public_path_; }
  Store &store() const { return *store_; }

 private:
  Master(Store &store, std::string public_path, std::string_view seal)
      : store_(&store), public_path_(std::move(public_path)), seal_(seal) {}
  Store *store_;
  std::string public_path_;
  std::string_view seal_;
};

// Decodes every record of a master, or of a copy of one: Cause::damaged or
// Cause::newer, naming the file.
Status check_records(Store &master);

// Paths: DIR/control/control.mdb, DIR/control/public.mdb, and so for relay.
std::string master_path(const Places &places, Master::Which which);
std::string public_path(const Places &places, Master::Which which);

}  // namespace moat
