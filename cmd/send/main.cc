// moat-send: takes messages from the queue and has them delivered.
//
// Reads  the queue, the directory and the routes
// Sets   nothing
// Then   works until SIGTERM; SIGHUP reads the routes again, SIGALRM tries
//        everything now

#include <fcntl.h>
#include <sys/file.h>

#include "cmd/send/dispatcher.h"
#include "libcommon/process/door.h"
#include "libcommon/process/invocation.h"

namespace moat {
namespace {

struct Settings {
  Common common;
  SendSettings send;
};

constexpr std::int64_t longest_lifetime = std::int64_t{365} * 86400;

// Where a door was given it must be the name of one.
std::optional<Stop> set_door(const std::string &text, const char *option,
                             std::string &door) {
  if (text.empty()) return std::nullopt;
  const auto path = door_path(text);
  if (!path) return misuse(std::string(option) + " takes PATH or unix:PATH");
  door = *path;
  return std::nullopt;
}

Prepared<Settings> send_prepare(const Argv &argv, const Environment &environment) {
  Settings settings;
  SendSettings &send = settings.send;
  send.places = Places::from(environment);
  send.ledger.postmaster = "postmaster";
  std::uint64_t local_concurrency = 10;
  std::uint64_t remote_concurrency = 20;
  std::uint64_t per_route = send.per_route;
  Milliseconds lifetime(send.ledger.lifetime * 1000);
  std::string local;
  std::string remote;
  std::string route_file = send.places.etc + "/routes";
  Options options("moat-send", {"OPTIONS"},
                  "Take messages from the queue and have them delivered.");
  options.number("local-concurrency", "COUNT", local_concurrency, 1, 1000,
                 "deliveries to mailboxes at a time");
  options.number("remote-concurrency", "COUNT", remote_concurrency, 1, 1000,
                 "deliveries to servers at a time");
  options.number("per-route", "COUNT", per_route, 1, 1000,
                 "of these to one route at a time");
  options.duration("lifetime", "TIME", lifetime, Milliseconds(0),
                   Milliseconds(longest_lifetime * 1000), "when a message is given up");
  options.text("route", "FILE", route_file, "routes for domains: lines DOMAIN ROUTE");
  options.command_line_only();
  options.text("local", "PATH", local,
               "the door of moat-local; none: a child of its own");
  options.command_line_only();
  options.text("remote", "PATH", remote,
               "the door of moat-remote; none: a child of its own");
  options.command_line_only();
  options.text("postmaster", "ADDRESS", send.ledger.postmaster, "gets double bounces");
  options.duration("grace", "TIME", send.grace, Milliseconds(0), Milliseconds(600000),
                   "for what is under way at SIGTERM");
  Argv operands;
  if (auto stop = options.parse(argv, environment, settings.common, operands)) {
    return std::move(*stop);
  }
  if (!operands.empty()) return misuse("takes no operands");
  const auto name = server_name(environment);
  if (!name) return stop_for(name.error());
  send.ledger.server = *name;
  send.ledger.lifetime = lifetime.count() / 1000;
  send.local = {
      {"moat-local", "--serve", "fd:0"}, "", local_concurrency, Milliseconds(600000)};
  send.remote = {
      {"moat-remote", "--serve", "fd:0"}, "", remote_concurrency, Milliseconds(4000000)};
  send.per_route = per_route;
  send.route_file = route_file;
  send.route_file_optional = !options.given("route");
  if (auto stop = set_door(local, "--local", send.local.door)) return std::move(*stop);
  if (auto stop = set_door(remote, "--remote", send.remote.door)) return std::move(*stop);
  return settings;
}

// Two of us at one queue would deliver everything twice.
Result<Fd> lock_queue(const std::string &spool) {
  Fd lock(::open((spool + "/send.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return system_error(spool + "/send.lock");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return temporary_error("another moat-send works at " + spool);
  }
  return lock;
}

Next fail(const Error &error, const Log &log) {
  log.fatal(error.what);
  return Next::exit(error.temporary ? exit_temporary : exit_permanent);
}

Next send_run(const Settings &settings, Invocation &invocation) {
  const SendSettings &send = settings.send;
  const QueueSettings queue{.folder = send.places.spool};
  auto routes = Routes::read(send.route_file, send.route_file_optional);
  if (!routes) return fail(routes.error(), invocation.log);
  const auto lock = lock_queue(send.places.spool);
  if (!lock) return fail(lock.error(), invocation.log);
  auto watch = QueueStore::watch(queue);
  if (!watch) return fail(watch.error(), invocation.log);
  auto store = QueueStore::open(queue, invocation.clock);
  if (!store) return fail(store.error(), invocation.log);
  Dispatcher dispatcher(send, invocation, **store, std::move(*watch), std::move(*routes));
  invocation.log.event("serving");
  return Next::exit(dispatcher.run());
}

}  // namespace

extern const Program send_program;
const Program send_program = program<Settings, &send_prepare, &send_run>(
    "moat-send", "takes messages from the queue and has them delivered");

}  // namespace moat
