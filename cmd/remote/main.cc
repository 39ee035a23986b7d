// moat-remote: delivers a message by SMTP or LMTP.
//
// Reads  the message on descriptor 0; or requests at its door
// Sets   nothing
// Then   prints a line for each recipient and exits 0, 100 or 111; a door serves
//        until SIGTERM

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "cmd/remote/session.h"
#include "libcommon/base/io.h"
#include "libcommon/base/places.h"
#include "libcommon/process/invocation.h"

namespace moat {
namespace {

struct Settings {
  Common common;
  DoorSettings door;
  RemoteSettings remote;
  SmtpRoute route;
  SmtpMail mail;
};

void declare_waits(Options &options, RemoteSettings &remote) {
  const auto wait = [&](const char *word, Milliseconds &target, const char *help) {
    options.duration(word, "TIME", target, Milliseconds(100), Milliseconds(86400000),
                     help);
  };
  wait("connect-timeout", remote.connect_timeout, "wait for a connection");
  wait("command-timeout", remote.command_timeout, "wait for the answer to a command");
  wait("data-timeout", remote.data_timeout, "wait for the answer to DATA");
  wait("block-timeout", remote.block_timeout, "wait for progress within the message");
  wait("final-timeout", remote.final_timeout, "wait for the answer to the message");
  wait("mail-timeout", remote.mail_timeout, "bound of all of it");
}

void declare_door(Options &options, DoorSettings &door) {
  options.text("serve", "PATH", door.door, "answer moat-send at this socket");
  options.command_line_only();
  options.list("from", "USER,...", door.from,
               "who may call; root and its own user when none is said");
  options.command_line_only();
  options.text("user", "USER", door.user, "become this user once the socket is there");
  options.command_line_only();
  options.number("limit", "COUNT", door.limit, 1, 10000, "callers served at a time");
}

Prepared<Settings> remote_prepare(const Argv &argv, const Environment &environment) {
  Settings settings;
  std::string to;
  bool lmtp = false;
  const std::string waits =
      "[--connect-timeout TIME] [--command-timeout TIME] [--data-timeout TIME] "
      "[--block-timeout TIME] [--final-timeout TIME] [--mail-timeout TIME]";
  Options options(
      "moat-remote",
      {"--to ROUTE [--lmtp] " + waits + " SENDER RECIPIENT ...",
       "--serve PATH [--from USER,...]... [--user USER] [--limit COUNT] " + waits},
      "Deliver the message on standard input by SMTP or LMTP.");
  options.interleave();
  options.text("to", "ROUTE", to, "the server: HOST[:PORT] or unix:PATH");
  options.flag("lmtp", lmtp, "speak LMTP to it");
  declare_waits(options, settings.remote);
  declare_door(options, settings.door);
  Argv operands;
  if (auto stop = options.parse(argv, environment, settings.common, operands)) {
    return std::move(*stop);
  }
  const auto name = server_name(environment);
  if (!name) return stop_for(name.error());
  settings.remote.hello = *name;
  if (!settings.door.door.empty()) {
    if (!operands.empty()) return misuse("--serve takes no SENDER");
    const bool inherited = settings.door.door.starts_with("fd:");
    if (::geteuid() == 0 && settings.door.user.empty() && !inherited) {
      return misuse("as root it takes --user: it faces the network");
    }
    return settings;
  }
  if (operands.size() < 2) return misuse("takes SENDER RECIPIENT ..., or --serve PATH");
  if (to.empty()) return misuse("takes --to: there is no look-up of MX yet");
  const auto route = SmtpRoute::parse((lmtp ? "lmtp:" : "") + to);
  if (!route) return stop_for(route.error());
  settings.route = *route;
  settings.mail.sender = operands[0];
  settings.mail.recipients.assign(operands.begin() + 1, operands.end());
  return settings;
}

// A message is read twice, once for its measures: what comes through a pipe is
// held in memory.
Result<Fd> input_file() {
  struct stat input{};
  if (::fstat(STDIN_FILENO, &input) == 0 && S_ISREG(input.st_mode)) {
    return Fd(::dup(STDIN_FILENO));
  }
  Fd file(::memfd_create("message", MFD_CLOEXEC));
  if (!file) return system_error("memfd");
  std::array<char, 16384> piece;
  for (;;) {
    const auto count =
        read_some(STDIN_FILENO, piece.data(), piece.size(), Deadline::never());
    if (!count) return count.error();
    if (*count == 0) return file;
    const auto written = write_all(file.get(), {piece.data(), *count});
    if (!written) return written.error();
  }
}

int exit_code(const std::vector<Outcome> &outcomes) {
  int code = exit_ok;
  for (const Outcome &outcome : outcomes) {
    if (outcome.code == Outcome::deferred) return exit_temporary;
    if (outcome.code == Outcome::failed) code = exit_permanent;
  }
  return code;
}

Next deliver_input(const Settings &settings, const Invocation &invocation) {
  const auto file = input_file();
  SmtpMail mail = settings.mail;
  if (!file || !measure_message(file->get(), mail)) {
    invocation.log.fatal(file ? "message cannot be read" : file.error().what);
    return Next::exit(exit_temporary);
  }
  RemoteSession session(settings.route, settings.remote);
  const auto outcomes = session.send(mail, file->get(), {});
  session.quit();
  std::string text;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    text.append(1, outcomes[i].code).append(" ").append(mail.recipients[i]);
    text.append(" ").append(outcome_line(outcomes[i])).append("\n");
  }
  const auto printed = write_all(STDOUT_FILENO, text);
  return Next::exit(printed ? exit_code(outcomes) : exit_temporary);
}

Next remote_run(const Settings &settings, Invocation &invocation) {
  if (settings.door.door.empty()) return deliver_input(settings, invocation);
  return Next::exit(serve_door(settings.door, invocation, [&] {
    return std::make_unique<RemoteWorker>(settings.remote, invocation.log);
  }));
}

}  // namespace

extern const Program remote_program;
const Program remote_program = program<Settings, &remote_prepare, &remote_run>(
    "moat-remote", "delivers by SMTP or LMTP");

}  // namespace moat
