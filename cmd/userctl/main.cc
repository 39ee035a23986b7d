// moat-userctl: domains, users, aliases, lists and passwords, in the shell.
//
// Reads  $MOAT_DIR and its like; standard input for passwords and imports
// Sets   nothing
// Then   exits 0, 1 (check: nobody receives there), 100 or 111

#include <utility>

#include "cmd/userctl/commands.h"
#include "libcommon/process/invocation.h"

namespace moat {
namespace {

struct Settings {
  Common common;
  Call call;
};

Options userctl_options() {
  return {
      "moat-userctl",
      {"domain add|set NAME [--route ROUTE] [--recipients known|any|ask] "
       "[--catch-all ADDRESS]",
       "user add|set ADDRESS [--maildir DIR] [--owner UID:GID] [--password-stdin] "
       "[--trap] [--greylist on|off]",
       "alias add|set ADDRESS TARGET ...", "list add|set ADDRESS --members FILE",
       "domain|user|alias|list show|remove NAME", "domain|user|alias|list list [DOMAIN]",
       "check ADDRESS", "passwd ADDRESS [--password-stdin]", "export",
       "import [FILE] [--dry-run] [--make-maildirs]",
       "import --from qmail[:DIR] [--watch] [--dry-run] [--make-maildirs]"},
      "Change and show who receives mail here."};
}

Prepared<Settings> userctl_prepare(const Argv &argv, const Environment &environment) {
  Settings settings;
  Call &call = settings.call;
  std::string route;
  std::string recipients = "known";
  std::string catch_all;
  std::string maildir;
  std::string owner;
  std::string members;
  std::string greylist = "on";
  bool trap = false;
  Options options = userctl_options();
  options.interleave();
  options.text("route", "ROUTE", route,
               "HOST, HOST:PORT or unix:PATH that takes its mail");
  options.command_line_only();
  options.choice("recipients", {"known", "any", "ask"}, recipients,
                 "whom a domain takes mail for");
  options.command_line_only();
  options.text("catch-all", "ADDRESS", catch_all, "who gets what nobody else has");
  options.command_line_only();
  options.text("maildir", "DIR", maildir, "where a user's mail goes");
  options.command_line_only();
  options.text("owner", "UID:GID", owner, "whose a user's mail is");
  options.command_line_only();
  options.flag("password-stdin", call.password_on_stdin,
               "take the password from the first line of standard input");
  options.flag("trap", trap, "nobody writes here but spammers");
  options.command_line_only();
  options.choice("greylist", {"on", "off"}, greylist, "whether greylisting is wanted");
  options.command_line_only();
  options.text("members", "FILE", members, "a list's members, an address a line");
  options.command_line_only();
  options.text("from", "qmail[:DIR]", call.from,
               "import: take what a qmail installation's files say");
  options.command_line_only();
  options.flag("watch", call.watch,
               "import --from: stay, and import again when a file changes");
  options.command_line_only();
  options.flag("dry-run", call.dry_run, "import: only read and check");
  options.flag("make-maildirs", call.maildirs,
               "import: make the Maildirs that are missing");
  if (auto stop = options.parse(argv, environment, settings.common, call.words)) {
    return std::move(*stop);
  }
  const auto wished = [&](std::string_view word, auto &to, auto value) {
    if (options.given(word)) to = std::move(value);
  };
  wished("route", call.wish.route, route);
  wished("recipients", call.wish.recipients, recipients);
  wished("catch-all", call.wish.catch_all, catch_all);
  wished("maildir", call.wish.maildir, maildir);
  wished("owner", call.wish.owner, owner);
  wished("members", call.wish.members, members);
  wished("trap", call.wish.trap, trap);
  wished("greylist", call.wish.greylist, greylist == "on");
  if (options.given("from") && call.from.empty()) return misuse("--from is empty");
  if (const std::string why = misuse_of(call); !why.empty()) return misuse(why);
  return settings;
}

Next userctl_run(const Settings &settings, Invocation &invocation) {
  const auto code = obey(settings.call, invocation);
  if (code) return Next::exit(*code);
  invocation.log.fatal(code.error().what);
  return Next::exit(code.error().temporary ? exit_temporary : exit_permanent);
}

}  // namespace

extern const Program userctl_program;
const Program userctl_program = program<Settings, &userctl_prepare, &userctl_run>(
    "moat-userctl", "domains, users, aliases, lists and passwords");

}  // namespace moat
