// moat-local: delivers a message to a Maildir.
//
// Reads  the message on descriptor 0, $SENDER and $RECIPIENT; or requests at
//        its door
// Sets   nothing
// Then   exits 0, 100 or 111; a door serves until SIGTERM

#include <sys/stat.h>

#include "cmd/local/deliver.h"
#include "libcommon/base/places.h"
#include "libcommon/process/invocation.h"

namespace moat {
namespace {

struct Settings {
  Common common;
  DoorSettings door;
  LocalSettings local;
  std::optional<std::string> sender;
  std::optional<std::string> recipient;
  std::string folder;
};

Prepared<Settings> local_prepare(const Argv &argv, const Environment &environment) {
  Settings settings;
  std::string sender;
  std::string recipient;
  std::uint64_t min_uid = settings.local.min_uid;
  Options options("moat-local",
                  {"[--sender ADDRESS] [--recipient ADDRESS] [--min-uid UID] [--create] "
                   "[--timeout TIME] DIR",
                   "--serve PATH [--from USER,...]... [--limit COUNT] [--min-uid UID] "
                   "[--create] [--timeout TIME]"},
                  "Deliver the message on standard input to the Maildir DIR.");
  options.interleave();
  options.text("sender", "ADDRESS", sender, "the envelope sender, for Return-Path");
  options.also_from("SENDER");
  options.text("recipient", "ADDRESS", recipient, "for Delivered-To and the loop check");
  options.also_from("RECIPIENT");
  options.number("min-uid", "UID", min_uid, 1, UINT32_MAX - 1,
                 "as root, become no user below this");
  options.flag("create", settings.local.create, "make a Maildir that is missing");
  options.duration("timeout", "TIME", settings.local.timeout, Milliseconds(1000),
                   Milliseconds(3600000), "bound of a delivery as another user");
  options.text("serve", "PATH", settings.door.door, "answer moat-send at this socket");
  options.command_line_only();
  options.list("from", "USER,...", settings.door.from,
               "who may call; root and its own user when none is said");
  options.command_line_only();
  options.number("limit", "COUNT", settings.door.limit, 1, 10000,
                 "callers served at a time");
  Argv operands;
  if (auto stop = options.parse(argv, environment, settings.common, operands)) {
    return std::move(*stop);
  }
  const bool serve = !settings.door.door.empty();
  if (operands.size() != (serve ? 0 : 1)) return misuse("takes a DIR, or --serve PATH");
  if (!serve) settings.folder = operands[0];
  if (options.given("sender")) settings.sender = sender;
  if (options.given("recipient")) settings.recipient = recipient;
  settings.local.min_uid = static_cast<uid_t>(min_uid);
  const auto host = server_name(environment);
  settings.local.host = host ? *host : "localhost";
  return settings;
}

Next deliver_input(const Settings &settings, const Invocation &invocation) {
  LocalMail mail;
  mail.message = STDIN_FILENO;
  mail.time = invocation.clock.wall_seconds();
  mail.sender = settings.sender;
  mail.recipient = settings.recipient;
  const Outcome outcome =
      deliver_as_owner(settings.folder, mail, std::nullopt, settings.local);
  if (outcome.code == Outcome::delivered) return Next::exit(exit_ok);
  invocation.log.say(outcome_line(outcome));
  return Next::exit(outcome.code == Outcome::failed ? exit_permanent : exit_temporary);
}

Next local_run(const Settings &settings, Invocation &invocation) {
  if (settings.door.door.empty()) return deliver_input(settings, invocation);
  return Next::exit(serve_door(settings.door, invocation, [&] {
    return std::make_unique<LocalWorker>(settings.local, invocation.log);
  }));
}

}  // namespace

extern const Program local_program;
const Program local_program =
    program<Settings, &local_prepare, &local_run>("moat-local", "delivers to a Maildir");

}  // namespace moat
