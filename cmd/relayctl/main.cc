// moat-relayctl: who may relay, and the access rules.
//
//   moat-tcpd ... moat-relayctl check moat-smtpd
//
// Reads  $PROTO and $TCPREMOTEIP; control/ and relay/
// Sets   RELAYCLIENT, where the client may relay; unset, where he was denied it
// Then   check goes on with its arguments; the rest exits 0, 1, 100 or 111

#include "cmd/relayctl/call.h"

namespace moat {
namespace {

using relayctl::Call;

Options relayctl_options() {
  return {"moat-relayctl",
          {"allow NET [--for TIME] [--via PATH]", "deny NET [--for TIME]", "remove NET",
           "list", "import [FILE]", "export", "rules NAME [FILE]", "rules NAME --test IP",
           "rules NAME --export", "check [--ip ADDRESS] [PROGRAM [ARG ...]]",
           std::string("--serve PATH [--from USER,...]... [--max-for TIME] ")
               .append("[--user USER] [--limit COUNT]")},
          "Say who may relay, and keep the access rules."};
}

void declare(Options &options, Call &call) {
  options.duration("for", "TIME", call.period, Milliseconds(0), std::chrono::hours(87600),
                   "allow, deny: only so long");
  options.text("via", "PATH", call.via, "allow: ask at the door behind this socket");
  options.command_line_only();
  options.text("test", "IP", call.test, "rules: show what holds for a client");
  options.command_line_only();
  options.flag("export", call.export_rules, "rules: print them");
  options.command_line_only();
  options.text("ip", "ADDRESS", call.ip, "check: this client, not $TCPREMOTEIP");
  options.command_line_only();
  options.text("serve", "PATH", call.door.door, "answer login hooks at this socket");
  options.command_line_only();
  options.list("from", "USER,...", call.door.from,
               "who may call; root and its own user when none is said");
  options.command_line_only();
  options.duration("max-for", "TIME", call.max_for, Milliseconds(1000),
                   std::chrono::hours(24 * 35), "the longest window of the door");
  options.text("user", "USER", call.door.user, "become USER once the socket is open");
  options.command_line_only();
  options.number("limit", "COUNT", call.door.limit, 1, 10000, "callers served at a time");
}

// Behind "check" the first word that is no option is another program.
Prepared<Call> prepare_check(const Argv &argv, const Environment &environment) {
  Call call;
  Options options = relayctl_options();
  declare(options, call);
  Argv words = argv;
  words.erase(words.begin() + 1);
  if (auto stop = options.parse(words, environment, call.common, call.next)) return *stop;
  call.words = {"check"};
  call.places = Places::from(environment);
  return call;
}

Prepared<Call> relayctl_prepare(const Argv &argv, const Environment &environment) {
  if (argv.size() > 1 && argv[1] == "check") return prepare_check(argv, environment);
  Call call;
  Options options = relayctl_options();
  options.interleave();
  declare(options, call);
  if (auto stop = options.parse(argv, environment, call.common, call.words)) return *stop;
  call.places = Places::from(environment);
  if (const std::string why = misuse_of(call); !why.empty()) return misuse(why);
  return call;
}

Result<int> obey(const Call &call, Invocation &invocation) {
  const std::string &word = call.words[0];
  if (word == "list") return list_networks(call, invocation);
  if (word == "import") return import_networks(call, invocation);
  if (word == "export") return export_networks(call, invocation);
  if (word == "rules") return rules(call, invocation);
  return change_network(call, invocation);
}

Next relayctl_run(const Call &call, Invocation &invocation) {
  if (call.checks()) return relayctl::check(call, invocation);
  if (!call.door.door.empty()) return Next::exit(relayctl::serve(call, invocation));
  const auto code = obey(call, invocation);
  if (code) return Next::exit(*code);
  invocation.log.fatal(code.error().what);
  return Next::exit(code.error().temporary ? exit_temporary : exit_permanent);
}

}  // namespace

extern const Program relayctl_program;
const Program relayctl_program = program<Call, &relayctl_prepare, &relayctl_run>(
    "moat-relayctl", "says who may relay, and keeps the access rules");

}  // namespace moat
