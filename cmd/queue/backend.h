// What stands behind the door: the queue, or filters and then a queue.

#pragma once

#include <memory>

#include "cmd/queue/event_loop.h"
#include "cmd/queue/submission.h"
#include "libcommon/process/invocation.h"

namespace moat {

class Backend {
 public:
  Backend() = default;
  Backend(const Backend &) = delete;
  Backend &operator=(const Backend &) = delete;
  virtual ~Backend() = default;

  // Takes a submission, to be answered in a later call.
  virtual void take(Submission submission) = 0;

  // Whether another one would be worked on soon: while not, nobody is let in.
  virtual bool has_room() const = 0;

  // Called when all that came in this turn was taken.
  virtual void end_turn() = 0;

  // Returns when end_turn() must be called again at the latest.
  virtual Deadline next_deadline() const = 0;

  // Whether nobody waits for an answer any more.
  virtual bool idle() const = 0;
};

// Puts messages into the queue: those that came during the sync before share
// one transaction.
Result<std::unique_ptr<Backend>> make_queue_backend(const QueueOptions &options,
                                                    Invocation &invocation);

// Runs the options' filters for each message, a child a message.
std::unique_ptr<Backend> make_filter_backend(const QueueOptions &options,
                                             Invocation &invocation, EventLoop &loop);

}  // namespace moat
