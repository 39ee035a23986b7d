// The second half of Dispatcher: deliveries under way, and what it waits for.

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "cmd/send/dispatcher.h"
#include "libcommon/base/io.h"
#include "libcommon/queue/memory_file.h"

namespace moat {
namespace {

constexpr Milliseconds aside_time{600000};
constexpr Milliseconds write_rest{1000};
constexpr Milliseconds first_door_rest{1000};
constexpr Milliseconds longest_door_rest{60000};

bool nobody_answered(const std::vector<Outcome> &outcomes) {
  return std::all_of(outcomes.begin(), outcomes.end(), [](const Outcome &outcome) {
    return outcome.code == Outcome::deferred &&
           (outcome.status == "4.4.1" || outcome.status == "4.4.2");
  });
}

}  // namespace

void Dispatcher::start_deliveries() {
  while (!local_jobs_.empty() && local_.pool.has_room() && local_.closed_until.passed()) {
    const Job job = std::move(local_jobs_.front());
    local_jobs_.pop_front();
    if (start(local_, job) == Start::not_now) local_jobs_.push_front(job);
  }
  while (remote_.pool.has_room() && remote_.closed_until.passed() &&
         start_next_remote()) {
  }
}

// Takes the routes in turn, so that a slow one does not hold up the others.
bool Dispatcher::start_next_remote() {
  auto turn = route_states_.upper_bound(next_route_);
  for (std::size_t i = 0; i < route_states_.size(); ++i, ++turn) {
    if (turn == route_states_.end()) turn = route_states_.begin();
    Route &route = turn->second;
    const std::size_t bound = route.backoff.doubtful() ? 1 : settings_.per_route;
    if (route.jobs.empty() || route.active >= bound) continue;
    next_route_ = turn->first;
    const Job job = std::move(route.jobs.front());
    route.jobs.pop_front();
    const Start how = start(remote_, job);
    if (how == Start::begun) ++route.active;
    if (how == Start::not_now) route.jobs.push_front(job);
    return true;
  }
  return false;
}

Dispatcher::Start Dispatcher::start(Door &door, const Job &job) {
  if (!open_body(job.id)) {
    for (const std::uint32_t number : job.numbers) ledger_.release(job.id, number);
    waiting_ -= job.numbers.size();
    return Start::unreadable;
  }
  const auto started = door.pool.start(job, body_.get());
  if (!started) {
    close_door(door, started.error().what);
    return Start::not_now;
  }
  waiting_ -= job.numbers.size();
  return Start::begun;
}

// Opens the message's octets, unless they are open from the recipient before.
bool Dispatcher::open_body(QueueId id) {
  if (body_ && body_id_ == id) return true;
  const QueuedMessage *message = ledger_.find(id);
  auto body = store_.read_body(*message);
  Result<Fd> file = body ? Result<Fd>(std::move(body->file)) : Result<Fd>(body.error());
  if (file && !*file) file = memory_file("message", body->octets);
  if (file) {
    body_ = std::move(*file);
    body_id_ = id;
    return true;
  }
  log_.event("damaged", {{"id", id.text()}, {"reason", file.error().what}});
  aside_.insert_or_assign(id, Deadline::after(aside_time));
  return false;
}

void Dispatcher::close_door(Door &door, std::string_view why) {
  log_.event("trouble", {{"reason", why}});
  door.rest = std::clamp(door.rest * 2, first_door_rest, longest_door_rest);
  door.closed_until = Deadline::after(door.rest);
}

void Dispatcher::collect(Door &door, bool local) {
  for (const Pool::Ended &ended : door.pool.collect()) {
    if (ended.outcomes) door.rest = Milliseconds(0);
    if (!ended.outcomes) close_door(door, "a delivery broke off");
    const auto outcomes = ended.outcomes.value_or(std::vector(
        ended.job.numbers.size(), Outcome::defer("4.3.0", "the delivery broke off")));
    finish(ended.job, outcomes, local ? local_step : remote_step);
    if (!local) finish_route(ended.job, outcomes);
  }
  door.pool.rest();
}

void Dispatcher::finish(const Job &job, const std::vector<Outcome> &outcomes,
                        std::int64_t step) {
  const QueuedMessage *message = ledger_.find(job.id);
  const std::int64_t now = invocation_.clock.wall_seconds();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const std::uint32_t number = job.numbers[i];
    switch (outcomes[i].code) {
      case Outcome::delivered:
        ledger_.delivered(job.id, number, outcome_line(outcomes[i]));
        break;
      case Outcome::failed: ledger_.failed(job.id, number, outcomes[i]); break;
      case Outcome::deferred:
        ledger_.deferred(job.id, number, outcomes[i], next_try(message->time, now, step),
                         true);
        break;
    }
  }
}

void Dispatcher::finish_route(const Job &job, const std::vector<Outcome> &outcomes) {
  Route &route = route_states_[job.delivery.route];
  --route.active;
  if (!nobody_answered(outcomes)) return route.backoff.worked();
  route.backoff.failed(invocation_.clock.wall_seconds());
  route.trouble = outcomes[0].text;
  // Whoever else waits for this destination is put off without a try.
  for (const Job &waiting : route.jobs) {
    for (const std::uint32_t number : waiting.numbers) {
      ledger_.deferred(waiting.id, number,
                       Outcome::defer("4.4.1", "not tried: " + route.trouble),
                       route.backoff.until(), false);
    }
    waiting_ -= waiting.numbers.size();
  }
  route.jobs.clear();
}

bool Dispatcher::write_down() {
  if (!no_work_until_.passed() && !ledger_.clean() && !stopping_) return false;
  const auto flushed = ledger_.flush();
  if (flushed) {
    failures_ = 0;
    return true;
  }
  const Cause cause = flushed.error().cause;
  if (cause != Cause::full && cause != Cause::busy) ++failures_;
  log_.event("trouble", {{"reason", flushed.error().what}});
  no_work_until_ = Deadline::after(write_rest);
  return false;
}

int Dispatcher::wait_ms() const {
  Deadline first = min(local_.pool.deadline(), remote_.pool.deadline());
  if (stopping_) return min(first, stop_at_).poll_timeout();
  if (!no_work_until_.passed()) return min(first, no_work_until_).poll_timeout();
  if (!local_jobs_.empty() && !local_.closed_until.passed()) {
    first = min(first, local_.closed_until);
  }
  if (!remote_.closed_until.passed()) first = min(first, remote_.closed_until);
  // What a full house left over is looked for as soon as something has ended.
  const bool room = local_.pool.has_room() || remote_.pool.has_room();
  if (scan_wanted_ && room && waiting_ == 0) return 0;
  return min(first, next_scan_).poll_timeout();
}

void Dispatcher::wait() {
  const std::int64_t now = invocation_.clock.wall_seconds();
  const auto found = store_.next_due(now);
  if (const auto due = found ? *found : std::nullopt) {
    constexpr std::int64_t longest = 3600;
    const std::int64_t seconds = std::min(*due - now, longest);
    next_scan_ = min(next_scan_, Deadline::after(Milliseconds(seconds * 1000)));
  }
  std::vector<pollfd> polls{{signals_.fd(), POLLIN, 0}, {watch_.get(), POLLIN, 0}};
  local_.pool.add_polls(polls);
  remote_.pool.add_polls(polls);
  if (::poll(polls.data(), polls.size(), wait_ms()) <= 0) return;
  if (polls[1].revents == 0) return;
  QueueStore::drain_watch(watch_.get());
  scan_wanted_ = true;
}

void Dispatcher::take_signals() {
  while (const auto signal = signals_.next()) {
    switch (*signal) {
      case SIGHUP: reload(); break;
      case SIGALRM: retry_all(); break;
      default:
        if (!stopping_) stop_at_ = Deadline::after(settings_.grace);
        stopping_ = true;
    }
  }
}

void Dispatcher::reload() {
  auto routes = Routes::read(settings_.route_file, settings_.route_file_optional);
  if (routes) {
    routes_ = std::move(*routes);
  } else {
    log_.event("trouble", {{"reason", routes.error().what}});
  }
  scan_wanted_ = true;
}

void Dispatcher::retry_all() {
  for (auto &[name, route] : route_states_) route.backoff.worked();
  aside_.clear();
  local_.closed_until = remote_.closed_until = no_work_until_ = Deadline::at(0);
  const auto retried = store_.retry(std::nullopt);
  if (!retried) log_.event("trouble", {{"reason", retried.error().what}});
  scan_wanted_ = true;
}

}  // namespace moat
