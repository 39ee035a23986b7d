// A door served by workers: a process for each caller, which answers one
// request after the other until the caller goes.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libcommon/process/door.h"
#include "libcommon/process/invocation.h"
#include "libcommon/process/user.h"

namespace moat {

// What answers in a worker. It may keep things from one request to the next.
class DoorWorker {
 public:
  DoorWorker() = default;
  DoorWorker(const DoorWorker &) = delete;
  DoorWorker &operator=(const DoorWorker &) = delete;
  virtual ~DoorWorker() = default;

  // Returns the answer's octets; none closes the connection. `door` hangs up
  // when the caller has gone, `stop` becomes readable when the server was told
  // to end: a long wait watches both.
  virtual std::string answer(Packet request, int door, int stop) = 0;

  // Called when no request came for two seconds, each time so long, and at the end.
  virtual void idle() {}
};

struct DoorSettings {
  std::string door;               // PATH, unix:PATH, or fd:N
  std::vector<std::string> from;  // who may call (class Callers)
  std::string user;               // to become once it listens; empty: stays
  std::uint64_t limit = 40;       // workers at a time; more callers wait
};

// Serves a door until SIGTERM or SIGINT: then it takes no caller any more, tells
// its workers and returns at once; each worker ends after the answer it is at.
// A caller who is not welcome is logged (event=refused) and hung up on.
//
// fd:N is an inherited socket. Where it listens it is served in the same way;
// where it is a connection already, this process is its one worker.
//
// Returns the exit code. `make` is called in each worker.
int serve_door(const DoorSettings &settings, Invocation &invocation,
               const std::function<std::unique_ptr<DoorWorker>()> &make);

}  // namespace moat
