#include "cmd/statectl/keep.h"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cmd/statectl/care.h"
#include "cmd/statectl/gate.h"
#include "libcommon/base/io.h"
#include "libcommon/directory/master.h"
#include "libcommon/directory/networks.h"
#include "libcommon/process/signals.h"
#include "libcommon/state/learned.h"

namespace moat {
namespace {

constexpr Milliseconds patience{10'000};
constexpr std::int64_t cost_divisor = 100;  // copies take at most 1% of the time

class Keeper {
 public:
  Keeper(Invocation &invocation, const Places &places, const KeepSettings &settings)
      : invocation_(invocation), places_(places), settings_(settings) {}

  Status start();
  Milliseconds snapshot();
  void prune();
  void end();

 private:
  void complain(const std::string &path, const Error &error) const {
    invocation_.log.event("failed", {{"file", path}, {"reason", error.what}});
  }
  void prune_master(Master::Which which);

  Invocation &invocation_;
  const Places &places_;
  const KeepSettings &settings_;
  std::vector<Store *> learned_;
};

bool may_write(const std::string &path) {
  return ::access(path.c_str(), R_OK | W_OK) == 0;
}

Status Keeper::start() {
  for (const GateFile &file : gate_files(places_)) {
    if (file.synced || !may_write(file.path)) continue;
    const auto recovery = recover_learned(file.path, Deadline::after(patience));
    if (!recovery) return recovery.error();
    if (recovery->what == Recovery::What::snapshot) {
      const std::int64_t now = invocation_.clock.wall_seconds();
      invocation_.log.event(
          "recovered", {{"file", file.path}, {"age", now - recovery->snapshot_time}});
    } else if (recovery->what == Recovery::What::empty) {
      invocation_.log.event("lost", {{"file", file.path}});
    }
    const auto store = open_gate_file(invocation_, file);
    if (!store) return store.error();
    learned_.push_back(*store);
  }
  if (learned_.empty()) {
    return temporary_error(places_.dir + "/state: nothing here that this user may write");
  }
  return done;
}

// Returns how long to wait for the next: the interval, or longer where that
// would be dear.
Milliseconds Keeper::snapshot() {
  const std::int64_t before = Clock::boot_ms();
  for (Store *store : learned_) {
    const auto taken = take_snapshot(*store);
    if (!taken) complain(store->path(), taken.error());
  }
  const std::int64_t took = Clock::boot_ms() - before;
  invocation_.log.detail("snapshot", {{"files", learned_.size()}, {"ms", took}});
  return std::max(settings_.snapshot, Milliseconds(took * cost_divisor));
}

void Keeper::prune_master(Master::Which which) {
  const std::string path = master_path(places_, which);
  if (!may_write(path)) return;
  const auto master = Master::open(invocation_, places_, which);
  if (!master) {
    complain(path, master.error());
    return;
  }
  const std::int64_t now = invocation_.clock.wall_seconds();
  const auto ended = master->count_ended(now);
  if (!ended) {
    complain(path, ended.error());
    return;
  }
  if (*ended > 0) {
    unsigned pruned = 0;
    const auto changed = master->change([&](Writer &writer) -> Status {
      const auto removed = prune_networks(writer, now);
      if (!removed) return removed.error();
      pruned = *removed;
      return done;
    });
    if (!changed) {
      complain(path, changed.error());
      return;
    }
    invocation_.log.event("pruned", {{"file", path}, {"networks", pruned}});
    return;
  }
  const auto published = master->is_published();
  if (!published) {
    complain(path, published.error());
    return;
  }
  if (*published) return;
  const auto written = master->publish();
  if (!written) {
    complain(path, written.error());
    return;
  }
  invocation_.log.event("published", {{"file", path}});
}

void Keeper::prune() {
  for (Store *store : learned_) {
    const auto reaped = store->reap_readers();
    if (!reaped) complain(store->path(), reaped.error());
    if (reaped && *reaped > 0) {
      invocation_.log.event("reaped", {{"file", store->path()}, {"readers", *reaped}});
    }
  }
  prune_master(Master::Which::control);
  prune_master(Master::Which::relay);
}

void Keeper::end() {
  for (Store *store : learned_) {
    const auto marked = mark_clean(*store, Deadline::after(patience));
    if (!marked) complain(store->path(), marked.error());
  }
}

}  // namespace

Status keep_state(Invocation &invocation, const Places &places,
                  const KeepSettings &settings) {
  SignalReader signals({SIGTERM, SIGINT});
  Keeper keeper(invocation, places, settings);
  auto started = keeper.start();
  if (!started) return started;
  invocation.log.event("serving");
  keeper.prune();
  auto next_snapshot = Deadline::after(keeper.snapshot());
  auto next_prune = Deadline::after(settings.prune);
  for (;;) {
    const auto asked = wait_readable(signals.fd(), min(next_snapshot, next_prune));
    if (!asked) return asked.error();
    if (signals.next()) break;
    if (next_snapshot.passed()) next_snapshot = Deadline::after(keeper.snapshot());
    if (!next_prune.passed()) continue;
    keeper.prune();
    next_prune = Deadline::after(settings.prune);
  }
  keeper.end();
  return done;
}

}  // namespace moat
