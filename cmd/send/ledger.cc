#include "cmd/send/ledger.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "cmd/send/bounce.h"
#include "libcommon/base/text.h"
#include "libcommon/base/value.h"

namespace moat {
namespace {

std::string random_word() {
  std::array<char, 12> octets{};
  [[maybe_unused]] const auto count = ::getrandom(octets.data(), octets.size(), 0);
  return to_hex({octets.data(), octets.size()});
}

std::string beginning_of(const QueuedBody &body) {
  if (!body.file) return body.octets.substr(0, max_bounced_header);
  std::string octets(max_bounced_header, '\0');
  const ssize_t count = ::pread(body.file.get(), octets.data(), octets.size(), 0);
  octets.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  return octets;
}

bool is_pending(const QueueRecipient &recipient) {
  return recipient.state == RecipientState::pending;
}

}  // namespace

bool Ledger::taken(QueueId id, std::uint32_t number) const {
  const auto found = passes_.find(id);
  if (found == passes_.end()) return false;
  const auto &failed = found->second.failed;
  return found->second.taken.contains(number) ||
         std::any_of(failed.begin(), failed.end(), [&](const RecipientChange &change) {
           return change.number == number;
         });
}

const QueuedMessage &Ledger::open(QueuedMessage message) {
  Pass &pass = passes_[message.id];
  pass.message = std::move(message);
  pass.expanded = false;
  return pass.message;
}

const QueuedMessage *Ledger::find(QueueId id) const {
  const auto found = passes_.find(id);
  return found == passes_.end() ? nullptr : &found->second.message;
}

void Ledger::take(QueueId id, std::uint32_t number) { passes_[id].taken.insert(number); }

void Ledger::release(QueueId id, std::uint32_t number) {
  passes_[id].taken.erase(number);
}

QueueRecipient *Ledger::recipient_of(Pass &pass, std::uint32_t number) {
  auto &all = pass.message.recipients;
  const auto found =
      std::lower_bound(all.begin(), all.end(), number,
                       [](const QueueRecipient &one, std::uint32_t wanted) {
                         return one.number < wanted;
                       });
  return found == all.end() || found->number != number ? nullptr : &*found;
}

void Ledger::note(std::string_view event, const Pass &pass,
                  const QueueRecipient &recipient, std::string_view text,
                  std::int64_t due) const {
  const QueuedMessage &message = pass.message;
  const auto session = message.session.get_or("MOAT_SESSION", "-");
  const std::int64_t now = clock_.wall_seconds();
  if (due != 0) {
    log_.event(event, {{"session", session},
                       {"id", message.id.text()},
                       {"sender", message.sender},
                       {"recipient", recipient.address},
                       {"delay", now - message.time},
                       {"next", due - now},
                       {"text", text}});
  } else {
    log_.event(event, {{"session", session},
                       {"id", message.id.text()},
                       {"sender", message.sender},
                       {"recipient", recipient.address},
                       {"delay", now - message.time},
                       {"text", text}});
  }
}

void Ledger::change(Entry &entry, std::uint32_t number, RecipientChange change) {
  if (QueueRecipient *recipient = recipient_of(entry.second, number)) {
    recipient->state = change.state;
  }
  if (changes_.empty() || changes_.back().id != entry.first) {
    changes_.push_back({.id = entry.first});
  }
  changes_.back().recipients.push_back(std::move(change));
}

void Ledger::delivered(QueueId id, std::uint32_t number, std::string_view text) {
  Entry &entry = *passes_.try_emplace(id).first;
  entry.second.taken.erase(number);
  const QueueRecipient *recipient = recipient_of(entry.second, number);
  if (recipient == nullptr) return;
  note("delivered", entry.second, *recipient, text, 0);
  change(entry, number,
         {number, RecipientState::delivered, std::string(text), recipient->attempts + 1});
}

void Ledger::failed(QueueId id, std::uint32_t number, const Outcome &outcome) {
  Pass &pass = passes_[id];
  pass.taken.erase(number);
  const QueueRecipient *recipient = recipient_of(pass, number);
  if (recipient == nullptr) return;
  const std::string text = outcome_line(outcome);
  note("failed", pass, *recipient, text, 0);
  pass.failed.push_back({number, RecipientState::failed, text, recipient->attempts + 1});
}

void Ledger::deferred(QueueId id, std::uint32_t number, const Outcome &outcome,
                      std::int64_t due, bool tried) {
  Entry &entry = *passes_.try_emplace(id).first;
  const std::int64_t age = clock_.wall_seconds() - entry.second.message.time;
  const std::string text = outcome_line(outcome);
  if (age >= settings_.lifetime) {
    const std::string lifetime = to_text(Milliseconds(settings_.lifetime * 1000));
    return failed(id, number,
                  Outcome::fail("5.4.7", "not delivered in " + lifetime + ": " + text));
  }
  entry.second.taken.erase(number);
  const QueueRecipient *recipient = recipient_of(entry.second, number);
  if (recipient == nullptr) return;
  note("deferred", entry.second, *recipient, text, due);
  change(entry, number,
         {number, RecipientState::pending, text, recipient->attempts + (tried ? 1U : 0U),
          due});
}

void Ledger::replaced(QueueId id, std::uint32_t number, const Expansion &expansion) {
  Entry &entry = *passes_.try_emplace(id).first;
  Pass &pass = entry.second;
  pass.taken.erase(number);
  const QueueRecipient *recipient = recipient_of(pass, number);
  if (recipient == nullptr) return;
  const std::string origin =
      recipient->origin.empty() ? recipient->address : recipient->origin;

  std::set<std::string> known;
  for (const QueueRecipient &one : pass.message.recipients) {
    known.insert(same_address(one.address));
  }
  QueueChange whole{.id = id};
  std::size_t count = 0;
  for (const std::string &address : expansion.recipients) {
    if (!known.insert(same_address(address)).second) continue;
    whole.add_recipients.push_back({address, origin});
    pass.expanded = true;
    ++count;
  }
  for (const ExpandedGroup &group : expansion.lists) {
    NewMessage message{.sender = group.sender, .recipients = {}};
    for (const std::string &address : group.recipients) {
      message.recipients.push_back({address, origin});
    }
    message.session = pass.message.session;
    message.body_of = id;
    count += group.recipients.size();
    whole.add_messages.push_back(std::move(message));
  }
  const std::string text = "stands for " + std::to_string(count);
  note("expanded", pass, *recipient, text, 0);
  whole.recipients.push_back(
      {number, RecipientState::replaced, text, recipient->attempts + 1});
  recipient_of(pass, number)->state = RecipientState::replaced;
  changes_.push_back(std::move(whole));
}

std::string Ledger::report(Pass &pass, const std::string &to) const {
  Bounce bounce{.server = settings_.server,
                .sender = pass.message.sender,
                .id = pass.message.id.text(),
                .to = to,
                .boundary = random_word(),
                .arrival = pass.message.time,
                .now = clock_.wall_seconds(),
                .recipients = {},
                .header = {}};
  for (const RecipientChange &change : pass.failed) {
    const QueueRecipient &one = *recipient_of(pass, change.number);
    bounce.recipients.push_back({one.address, one.origin, change.text});
  }
  if (const auto body = store_.read_body(pass.message)) {
    bounce.header = header_of(beginning_of(*body));
  }
  return bounce_message(bounce);
}

// A bounce is never bounced: its failure goes to the postmaster, and when that
// fails too it is only logged.
void Ledger::add_report(Pass &pass, QueueChange &change) {
  const QueuedMessage &message = pass.message;
  const std::string session(message.session.get_or("MOAT_SESSION", "-"));
  if (message.sender == double_bounce_sender) {
    log_.event(
        "dropped",
        {{"session", session}, {"id", message.id.text()}, {"reason", "double bounce"}});
    return;
  }
  const bool twice = message.sender.empty();
  const std::string to = twice ? settings_.postmaster : message.sender;
  reports_.push_back(report(pass, to));
  NewMessage bounce{.sender = std::string(twice ? double_bounce_sender : ""),
                    .recipients = {{to}}};
  bounce.session = message.session;
  bounce.body = Message{.octets = reports_.back()};
  change.add_messages.push_back(std::move(bounce));
  log_.event(twice ? "double-bounce" : "bounce", {{"session", session},
                                                  {"id", message.id.text()},
                                                  {"recipient", to},
                                                  {"failed", pass.failed.size()}});
}

void Ledger::close(Entry &entry) {
  Pass &pass = entry.second;
  QueueChange change{.id = entry.first};
  if (!pass.failed.empty()) add_report(pass, change);
  for (RecipientChange &failure : pass.failed) {
    recipient_of(pass, failure.number)->state = RecipientState::failed;
    change.recipients.push_back(std::move(failure));
  }
  const auto &recipients = pass.message.recipients;
  change.remove =
      !pass.expanded && std::none_of(recipients.begin(), recipients.end(), is_pending);
  if (!change.recipients.empty() || change.remove) changes_.push_back(std::move(change));
}

Status Ledger::flush() {
  for (auto entry = passes_.begin(); entry != passes_.end();) {
    if (!entry->second.taken.empty()) {
      ++entry;
      continue;
    }
    close(*entry);
    entry = passes_.erase(entry);
  }
  if (changes_.empty()) return done;
  const auto applied = store_.apply(changes_);
  if (!applied) return applied.error();
  changes_.clear();
  reports_.clear();
  return done;
}

}  // namespace moat
