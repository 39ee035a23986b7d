// The workers that deliver: connections to a door, or children of our own.

#pragma once

#include <poll.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/base/clock.h"
#include "libcommon/base/environment.h"
#include "libcommon/base/fd.h"
#include "libcommon/process/child.h"
#include "libcommon/queue/delivery.h"
#include "libcommon/queue/store.h"

namespace moat {

// One delivery on its way, and which of the message's recipients it is for.
struct Job {
  QueueId id;
  std::vector<std::uint32_t> numbers;  // in the order of delivery.recipients
  Delivery delivery;
};

struct PoolSettings {
  Argv program;             // a worker of our own: moat-local --serve fd:0
  std::string door;         // where set, the socket to call at instead
  std::size_t size = 10;    // deliveries at a time
  Milliseconds timeout{0};  // of one delivery
};

class Pool {
 public:
  // `environment` is a worker's of our own.
  Pool(PoolSettings settings, const Environment &environment)
      : settings_(std::move(settings)), environment_(environment) {}

  bool has_room() const { return busy() < settings_.size; }
  std::size_t busy() const;

  // Hands a job and its message's descriptor to a worker. Requires has_room().
  // An error is temporary, and the job was not begun.
  Status start(const Job &job, int message);

  // Appends what collect() has to look at again after poll(2).
  void add_polls(std::vector<pollfd> &polls) const;

  // Returns when the first delivery's time is up.
  Deadline deadline() const;

  // A job that has come back: its outcomes, or nullopt when the worker went
  // away without an answer, gave a wrong one or took too long.
  struct Ended {
    Job job;
    std::optional<std::vector<Outcome>> outcomes;
  };

  // Takes what has come; never waits.
  std::vector<Ended> collect();

  // Lets go of workers that had nothing to do for half a minute.
  void rest();

 private:
  struct Worker {
    Fd connection;
    std::optional<Child> child;
    std::optional<Job> job;
    Deadline deadline = Deadline::never();  // of the job, else of the rest
  };

  Status open(Worker &worker) const;
  Status hand_over(Worker &worker, const Job &job, int message) const;

  PoolSettings settings_;
  const Environment &environment_;
  std::vector<Worker> workers_;
};

}  // namespace moat
