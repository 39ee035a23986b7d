// The loop, the spawners, the end. How a client is taken: clients.cc.

#include "cmd/tcpd/acceptor.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>

#include "libcommon/base/io.h"
#include "libcommon/base/places.h"
#include "libcommon/net/ucspi.h"

namespace moat::tcpd {
namespace {

// SIGPIPE too: a log that nobody reads is no reason to stop serving.
constexpr std::array<int, 3> own_signals{SIGTERM, SIGINT, SIGPIPE};
constexpr Milliseconds start_wait = std::chrono::seconds(30);
constexpr std::int64_t respawn_wait = 1000;  // milliseconds

// What a program does to itself; ends that others or time bring are none.
bool is_fault(int status) {
  if (!WIFSIGNALED(status)) return false;
  switch (WTERMSIG(status)) {
    case SIGHUP:
    case SIGINT:
    case SIGPIPE:
    case SIGALRM:
    case SIGTERM: return false;
    default: return true;
  }
}

// What all sessions have in common; what a client has, he alone gets.
Environment session_environment(const Environment &inherited, const Listener &listener) {
  Environment environment = inherited;
  unset_session(environment);
  environment.set("PROTO", listener.is_unix ? "UNIX" : "TCP");
  if (listener.is_unix) {
    environment.set("UNIXLOCALPATH", listener.path);
    return environment;
  }
  environment.set("TCPLOCALPORT", std::to_string(listener.port));
  if (listener.address) environment.set("TCPLOCALIP", listener.address->text());
  if (const auto name = server_name(environment)) {
    environment.set("TCPLOCALHOST", *name);
  }
  return environment;
}

std::string_view sink_word(Log::Sink sink) {
  switch (sink) {
    case Log::Sink::syslog: return "syslog";
    case Log::Sink::none: return "none";
    case Log::Sink::standard_error: break;
  }
  return "stderr";
}

}  // namespace

Acceptor::Acceptor(const Settings &settings, Invocation &invocation, Listener listener)
    : settings_(settings),
      invocation_(invocation),
      log_(invocation.log),
      listener_(std::move(listener)),
      signals_(own_signals),
      signal_fd_(signals_.descriptor()),
      limits_({settings.limit, settings.per_ip, settings.rate, settings.fault_wait}) {}

std::optional<Stop> Acceptor::prepare() {
  invocation_.env = session_environment(invocation_.env, listener_);
  if (!start_spawner()) return Stop{exit_temporary, "cannot start a spawner"};
  const Deadline until = Deadline::after(start_wait);
  while (!spawners_[0]->ready) {
    const auto told = wait_readable(spawners_[0]->spawner.fd(), until);
    if (!told || !*told) return Stop{exit_temporary, "the spawner does not start"};
    const auto report = spawners_[0]->spawner.report();
    if (report.stop) return report.stop;
    if (report.gone) return Stop{exit_temporary, "the spawner ended at once"};
    spawners_[0]->ready = report.ready;
  }
  if (settings_.rules.empty()) return std::nullopt;
  rules_.emplace(settings_.rules, invocation_.env);
  const auto &rules = rules_->current();
  if (!rules) return stop_for(rules.error());
  return std::nullopt;
}

bool Acceptor::start_spawner() {
  Argv argv{settings_.own[0], "--spawner", "FD",
            std::string(sink_word(settings_.common.log))};
  argv.insert(argv.end(), settings_.next.begin(), settings_.next.end());
  auto spawner = Spawner::start(std::move(argv), invocation_.env, signals_);
  if (!spawner) {
    log_.event("spawner", {{"error", spawner.error().what}});
    return false;
  }
  spawners_.push_back(std::make_unique<Held>(Held{std::move(*spawner)}));
  return true;
}

// The newest that is ready; the one before it serves until then.
Acceptor::Held *Acceptor::current() {
  for (auto held = spawners_.rbegin(); held != spawners_.rend(); ++held) {
    if ((*held)->ready && !(*held)->retired) return held->get();
  }
  return nullptr;
}

// Starts another, unless the last attempt failed just now.
void Acceptor::renew_spawner() {
  if (Clock::boot_ms() < respawn_at_) return;
  if (!start_spawner()) respawn_at_ = Clock::boot_ms() + respawn_wait;
}

bool Acceptor::accepts() const {
  return pause_until_ == 0 &&
         std::any_of(spawners_.begin(), spawners_.end(),
                     [](const auto &held) { return held->ready && !held->retired; });
}

int Acceptor::poll_timeout() const {
  Deadline next = Deadline::never();
  for (const Waiting &waiting : waiting_) next = min(next, waiting.until);
  if (pause_until_ != 0) next = min(next, Deadline::at(pause_until_));
  if (spawners_.empty()) next = min(next, Deadline::at(respawn_at_));
  return next.poll_timeout();
}

int Acceptor::serve() {
  say_status();  // also where nobody wants the rest: it serves from here on
  while (wait() != Heard::stop) {
  }
  return wind_up();
}

Acceptor::Heard Acceptor::wait() {
  std::vector<pollfd> entries;
  entries.reserve(2 + spawners_.size() + waiting_.size());
  entries.push_back({signal_fd_.get(), POLLIN, 0});
  entries.push_back({accepts() ? listener_.fd.get() : -1, POLLIN, 0});
  for (const auto &held : spawners_) entries.push_back({held->spawner.fd(), POLLIN, 0});
  for (const Waiting &waiting : waiting_)
    entries.push_back({waiting.fd.get(), POLLIN, 0});
  if (::poll(entries.data(), entries.size(), poll_timeout()) < 0) return Heard::nothing;

  if (entries[0].revents != 0) {
    signalfd_siginfo told{};
    while (::read(signal_fd_.get(), &told, sizeof told) == sizeof told) {
      if (told.ssi_signo != SIGPIPE) return Heard::stop;
    }
  }
  // Ends first: they make room.
  const auto first_waiting = static_cast<std::ptrdiff_t>(2 + spawners_.size());
  std::vector<bool> readable;
  for (const pollfd &entry : entries) readable.push_back(entry.revents != 0);
  const auto begin = readable.begin();
  hear_spawners({begin + 2, begin + first_waiting});
  hear_waiting({begin + first_waiting, readable.end()});
  if (pause_until_ != 0 && Clock::boot_ms() >= pause_until_) pause_until_ = 0;
  if (entries[1].revents != 0) accept_some();
  if (spawners_.empty() || spawners_.back()->retired) renew_spawner();
  return Heard::nothing;
}

void Acceptor::hear_spawners(const std::vector<bool> &readable) {
  for (std::size_t i = 0; i < readable.size(); ++i) {
    if (!readable[i]) continue;
    Held &held = *spawners_[i];
    const auto report = held.spawner.report();
    for (const Ended &end : report.ended) ended(end);
    if (report.stop) log_.event("spawner", {{"error", report.stop->text}});
    if (report.ready) {
      held.ready = true;
      for (const auto &other : spawners_) {
        if (other.get() != &held && !other->retired) retire(*other);
      }
    }
    if (report.gone) lost(held);
  }
  std::erase_if(spawners_, [](const auto &held) { return held->gone; });
}

void Acceptor::retire(Held &held) {
  held.retired = true;
  held.spawner.retire();
}

// Its children live on, but nobody will tell us of their end.
void Acceptor::lost(Held &held) {
  held.gone = true;
  if (!held.ready) respawn_at_ = Clock::boot_ms() + respawn_wait;
  std::uint64_t orphans = 0;
  for (std::uint32_t slot = 0; slot < sessions_.size(); ++slot) {
    if (sessions_[slot].spawner != held.spawner.pid()) continue;
    free_slot(slot);
    ++orphans;
  }
  if (held.retired && orphans == 0) return;
  log_.event("spawner", {{"error", "ended unasked"}, {"children", orphans}});
}

void Acceptor::ended(const Ended &ended) {
  if (ended.slot >= sessions_.size() || sessions_[ended.slot].spawner == 0) return;
  const Session session = sessions_[ended.slot];
  free_slot(ended.slot);
  if (is_fault(ended.status)) {
    log_.event("fault", {{"session", session.id},
                         {"network", session.network ? session.network->text() : "-"},
                         {"signal", WTERMSIG(ended.status)}});
    if (session.network) limits_.punish(*session.network, Clock::boot_ms());
    // Whoever tried an address in the old layout shall not try the next there.
    if (spawners_.back()->spawner.pid() == session.spawner) renew_spawner();
  } else {
    log_.detail("end", {{"session", session.id}, {"status", ended.status}});
  }
  status();
}

void Acceptor::free_slot(std::uint32_t slot) {
  limits_.leave(sessions_[slot].network);
  sessions_[slot] = Session();
  free_.push_back(slot);
}

void Acceptor::status() const {
  if (log_.verbose()) say_status();
}

void Acceptor::say_status() const {
  log_.foreign("tcpserver: status: " + std::to_string(limits_.total()) + "/" +
               std::to_string(settings_.limit));
}

int Acceptor::wind_up() {
  listener_.fd.reset();
  waiting_.clear();
  if (settings_.grace.count() == 0) return exit_ok;
  for (const auto &held : spawners_) {
    held->spawner.wind_up();
    if (!held->retired) retire(*held);
  }
  const Deadline until = Deadline::after(settings_.grace);
  while (limits_.total() > 0 && !spawners_.empty() && !until.passed()) {
    std::vector<pollfd> entries;
    for (const auto &held : spawners_) entries.push_back({held->spawner.fd(), POLLIN, 0});
    if (::poll(entries.data(), entries.size(), until.poll_timeout()) <= 0) continue;
    std::vector<bool> told;
    for (const pollfd &entry : entries) told.push_back(entry.revents != 0);
    hear_spawners(told);
  }
  return exit_ok;
}

}  // namespace moat::tcpd
