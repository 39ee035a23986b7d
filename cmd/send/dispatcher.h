// What moat-send does: one loop over the queue, the workers and the clock.

#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/send/ledger.h"
#include "cmd/send/pool.h"
#include "cmd/send/routes.h"
#include "cmd/send/schedule.h"
#include "libcommon/base/places.h"
#include "libcommon/process/invocation.h"
#include "libcommon/process/signals.h"
#include "libcommon/queue/store.h"

namespace moat {

struct SendSettings {
  LedgerSettings ledger;
  PoolSettings local;
  PoolSettings remote;
  std::size_t per_route = 10;  // deliveries at a time to one route
  std::string route_file;
  bool route_file_optional = false;
  Milliseconds grace{10000};  // for deliveries under way at SIGTERM
  Places places;
};

class Dispatcher {
 public:
  Dispatcher(const SendSettings &settings, Invocation &invocation, QueueStore &store,
             Fd watch, Routes routes);

  // Works until SIGTERM or SIGINT. Returns the exit code.
  int run();

 private:
  struct Route {
    std::deque<Job> jobs;
    std::size_t active = 0;
    Backoff backoff;
    std::string trouble;  // the last
  };
  // What waits for a door that does not answer.
  struct Door {
    Pool pool;
    Deadline closed_until = Deadline::at(0);
    Milliseconds rest{0};
  };

  void sweep();
  void hourly();
  void scan();
  std::vector<QueueId> due_messages();
  void take_message(QueueId id, const Directory &directory);
  void take_recipient(const QueuedMessage &message, const QueueRecipient &recipient,
                      const Directory &directory);
  void take_local(const QueuedMessage &message, const QueueRecipient &recipient,
                  const Recipient &found);
  void take_remote(const QueuedMessage &message, const QueueRecipient &recipient,
                   const std::string &name);
  void take_expansion(const QueuedMessage &message, const QueueRecipient &recipient,
                      const Recipient &found, const Directory &directory);
  void start_deliveries();
  bool start_next_remote();
  enum class Start { begun, not_now, unreadable };
  Start start(Door &door, const Job &job);
  bool open_body(QueueId id);
  void close_door(Door &door, std::string_view why);
  void drop_jobs(Route &route);
  void collect(Door &door, bool local);
  void finish(const Job &job, const std::vector<Outcome> &outcomes, std::int64_t step);
  void finish_route(const Job &job, const std::vector<Outcome> &outcomes);
  bool write_down();
  void wait();
  int wait_ms() const;
  void take_signals();
  void reload();
  void retry_all();

  const SendSettings &settings_;
  Invocation &invocation_;
  const Log &log_;
  QueueStore &store_;
  Fd watch_;
  Routes routes_;
  Ledger ledger_;
  SignalReader signals_{SIGTERM, SIGINT, SIGHUP, SIGALRM};
  Door local_;
  Door remote_;
  std::deque<Job> local_jobs_;
  std::map<std::string, Route> route_states_;
  std::string next_route_;             // whose turn it is
  std::size_t waiting_ = 0;            // recipients taken and not started
  std::map<QueueId, Deadline> aside_;  // messages that cannot be read
  QueueId body_id_;
  Fd body_;  // of body_id_
  bool scan_wanted_ = true;
  bool stopping_ = false;
  Deadline stop_at_ = Deadline::never();
  Deadline no_work_until_ = Deadline::at(0);
  unsigned failures_ = 0;    // to write down, in a row, but for a full disk
  bool unreadable_ = false;  // the queue as a whole
  Deadline next_scan_ = Deadline::at(0);
  Deadline next_hour_ = Deadline::at(0);
};

}  // namespace moat
