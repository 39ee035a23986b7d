#include "cmd/send/dispatcher.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/directory/directory.h"
#include "libcommon/queue/memory_file.h"

namespace moat {
namespace {

constexpr std::size_t most_waiting = 1000;  // recipients taken and not started
constexpr Milliseconds scan_period{60000};
constexpr Milliseconds hour{3600000};
constexpr Milliseconds aside_time{600000};
constexpr Milliseconds trouble_rest{5000};
constexpr unsigned most_failures = 3;  // of writing to the queue, in a row

std::pair<std::string_view, std::string_view> split(std::string_view address) {
  const auto at = address.rfind('@');
  if (at == std::string_view::npos) return {address, ""};
  return {address.substr(0, at), address.substr(at + 1)};
}

// The envelope sender as it leaves: a double bounce's is null to the world.
std::string outward_sender(const std::string &sender) {
  return sender == double_bounce_sender ? std::string() : sender;
}

Lookups lookups_in(const Directory &directory) {
  return {[&directory](std::string_view address) {
            const auto [local, domain] = split(address);
            return directory.find(local, domain);
          },
          [](const std::string &path) { return read_file(path, max_member_file); }};
}

}  // namespace

Dispatcher::Dispatcher(const SendSettings &settings, Invocation &invocation,
                       QueueStore &store, Fd watch, Routes routes)
    : settings_(settings),
      invocation_(invocation),
      log_(invocation.log),
      store_(store),
      watch_(std::move(watch)),
      routes_(std::move(routes)),
      ledger_(settings.ledger, store, invocation.clock, invocation.log),
      local_{Pool(settings.local, invocation.env)},
      remote_{Pool(settings.remote, invocation.env)} {}

int Dispatcher::run() {
  sweep();
  for (;;) {
    const bool written = write_down();
    // After a failed sync LMDB answers nothing more: only a new process helps.
    // What it delivers again, local finds delivered.
    if (unreadable_ || failures_ >= most_failures) return exit_temporary;
    if (stopping_) {
      const bool idle = local_.pool.busy() + remote_.pool.busy() == 0;
      if ((idle && written) || stop_at_.passed())
        return written ? exit_ok : exit_temporary;
    } else if (written && no_work_until_.passed()) {
      hourly();
      if (scan_wanted_ || next_scan_.passed()) scan();
      start_deliveries();
      write_down();
    }
    wait();
    collect(local_, true);
    collect(remote_, false);
    take_signals();
  }
}

// A message of which nothing is pending is in nobody's way, but it would stay for
// ever: it was left by a change by hand.
void Dispatcher::sweep() {
  std::vector<QueueChange> finished;
  const auto look = [&](const QueuedMessage &message) {
    const auto &all = message.recipients;
    if (std::none_of(all.begin(), all.end(), [](const QueueRecipient &one) {
          return one.state == RecipientState::pending;
        })) {
      finished.push_back({.id = message.id, .remove = true});
    }
    return true;
  };
  const auto damaged = store_.each(look);
  if (damaged && *damaged > 0) log_.event("damaged", {{"messages", *damaged}});
  if (finished.empty()) return;
  const auto removed = store_.apply(finished);
  if (!removed) log_.event("trouble", {{"reason", removed.error().what}});
}

void Dispatcher::hourly() {
  if (!next_hour_.passed()) return;
  next_hour_ = Deadline::after(hour);
  const auto removed = store_.remove_leftovers();
  if (!removed) {
    log_.event("trouble", {{"reason", removed.error().what}});
  } else if (*removed > 0) {
    log_.event("leftovers", {{"removed", *removed}});
  }
}

void Dispatcher::scan() {
  if (waiting_ >= most_waiting) return;
  scan_wanted_ = false;
  next_scan_ = Deadline::after(scan_period);
  const auto ids = due_messages();
  if (ids.empty()) return;
  const auto directory = Directory::open(invocation_, settings_.places);
  if (!directory) {
    log_.event("trouble", {{"reason", directory.error().what}});
    no_work_until_ = Deadline::after(trouble_rest);
    scan_wanted_ = true;
    return;
  }
  for (const QueueId id : ids) take_message(id, **directory);
}

std::vector<QueueId> Dispatcher::due_messages() {
  std::vector<QueueId> ids;
  std::size_t count = waiting_;
  std::erase_if(aside_, [](const auto &entry) { return entry.second.passed(); });
  const auto status =
      store_.each_due(invocation_.clock.wall_seconds(), [&](const DueRecipient &due) {
        if (ledger_.taken(due.id, due.number) || aside_.contains(due.id)) return true;
        if (ids.empty() || ids.back() != due.id) ids.push_back(due.id);
        scan_wanted_ = ++count >= most_waiting;
        return !scan_wanted_;
      });
  if (!status) {
    log_.event("trouble", {{"reason", status.error().what}});
    no_work_until_ = Deadline::after(trouble_rest);
    unreadable_ = status.error().cause == Cause::damaged;
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

void Dispatcher::take_message(QueueId id, const Directory &directory) {
  auto found = store_.find(id);
  if (!found) {
    log_.event("damaged", {{"id", id.text()}, {"reason", found.error().what}});
    aside_.insert_or_assign(id, Deadline::after(aside_time));
    return;
  }
  std::optional<QueuedMessage> &there = *found;
  if (!there) return;
  const QueuedMessage &message = ledger_.open(std::move(*there));
  const std::int64_t now = invocation_.clock.wall_seconds();
  for (const QueueRecipient &recipient : message.recipients) {
    if (recipient.state != RecipientState::pending || recipient.held ||
        recipient.due > now || ledger_.taken(id, recipient.number)) {
      continue;
    }
    if (waiting_ >= most_waiting) {
      scan_wanted_ = true;
      return;
    }
    take_recipient(message, recipient, directory);
  }
}

void Dispatcher::take_recipient(const QueuedMessage &message,
                                const QueueRecipient &recipient,
                                const Directory &directory) {
  const auto [local, domain] = split(recipient.address);
  const auto found = directory.find(local, domain);
  if (!found) {
    const std::int64_t now = invocation_.clock.wall_seconds();
    return ledger_.deferred(message.id, recipient.number,
                            Outcome::defer("4.3.0", found.error().what),
                            next_try(message.time, now, local_step), true);
  }
  switch (found->kind) {
    case RecipientKind::account: return take_local(message, recipient, *found);
    case RecipientKind::alias:
    case RecipientKind::list:
      return take_expansion(message, recipient, *found, directory);
    case RecipientKind::unknown:
      return ledger_.failed(message.id, recipient.number,
                            Outcome::fail("5.1.1", "no such mailbox here"));
    case RecipientKind::routed:
    case RecipientKind::ask:
    case RecipientKind::foreign: break;
  }
  if (!found->route.empty()) return take_remote(message, recipient, found->route);
  if (const auto route = routes_.find(domain)) {
    return take_remote(message, recipient, *route);
  }
  ledger_.failed(message.id, recipient.number,
                 Outcome::fail("5.4.4", "this server has no route to the domain"));
}

void Dispatcher::take_local(const QueuedMessage &message, const QueueRecipient &recipient,
                            const Recipient &found) {
  Job job{.id = message.id, .numbers = {recipient.number}, .delivery = {}};
  job.delivery.name = message.id.text() + "R" + std::to_string(recipient.number);
  job.delivery.sender = outward_sender(message.sender);
  job.delivery.recipients = {recipient.address};
  job.delivery.arrival = message.time;
  job.delivery.maildir = found.maildir;
  if (found.owned) job.delivery.owner = Delivery::Owner{found.uid, found.gid};
  ledger_.take(message.id, recipient.number);
  local_jobs_.push_back(std::move(job));
  ++waiting_;
}

void Dispatcher::take_remote(const QueuedMessage &message,
                             const QueueRecipient &recipient, const std::string &name) {
  Route &route = route_states_[name];
  const std::int64_t now = invocation_.clock.wall_seconds();
  if (route.backoff.down(now)) {
    return ledger_.deferred(message.id, recipient.number,
                            Outcome::defer("4.4.1", "not tried: " + route.trouble),
                            route.backoff.until(), false);
  }
  ledger_.take(message.id, recipient.number);
  ++waiting_;
  const bool joins = !route.jobs.empty() && route.jobs.back().id == message.id &&
                     route.jobs.back().numbers.size() < max_delivery_recipients;
  if (!joins) {
    Job job{.id = message.id, .numbers = {}, .delivery = {}};
    job.delivery.name = message.id.text() + "R" + std::to_string(recipient.number);
    job.delivery.sender = outward_sender(message.sender);
    job.delivery.arrival = message.time;
    job.delivery.route = name;
    route.jobs.push_back(std::move(job));
  }
  route.jobs.back().numbers.push_back(recipient.number);
  route.jobs.back().delivery.recipients.push_back(recipient.address);
}

void Dispatcher::take_expansion(const QueuedMessage &message,
                                const QueueRecipient &recipient, const Recipient &found,
                                const Directory &directory) {
  const auto expansion =
      expand(found, recipient.address, message.sender, lookups_in(directory));
  if (expansion) {
    if (expansion->bad_lines > 0) {
      log_.event("bad-members", {{"id", message.id.text()},
                                 {"recipient", recipient.address},
                                 {"lines", expansion->bad_lines}});
    }
    scan_wanted_ = true;
    return ledger_.replaced(message.id, recipient.number, *expansion);
  }
  if (!expansion.error().temporary) {
    return ledger_.failed(message.id, recipient.number,
                          Outcome::fail("5.4.6", expansion.error().what));
  }
  // The sender has no use for the path of a member file.
  log_.event("trouble", {{"id", message.id.text()}, {"reason", expansion.error().what}});
  const std::int64_t now = invocation_.clock.wall_seconds();
  ledger_.deferred(message.id, recipient.number,
                   Outcome::defer("4.3.5", "alias or list cannot be expanded now"),
                   next_try(message.time, now, local_step), true);
}

}  // namespace moat
