// moat-statectl: makes, keeps, shows, backs up and restores the shared state.
//
// Reads  $MOAT_DIR and its like
// Sets   nothing
// Then   exits 0, 1 (check found damage), 100 or 111

#include <unistd.h>

#include "cmd/statectl/care.h"
#include "cmd/statectl/gate.h"
#include "cmd/statectl/keep.h"
#include "libcommon/process/invocation.h"

namespace moat {
namespace {

struct Settings {
  Common common;
  Argv words;
  bool user_only = false;
  std::vector<std::string> names;
  KeepSettings keep;
};

// Returns why the words make no sense, or "".
std::string misuse_of(const Argv &words) {
  const std::string word = words.empty() ? "" : words[0];
  if (word == "backup" || word == "restore") {
    return words.size() == 2 ? "" : word + " takes a DIR";
  }
  if (word != "init" && word != "keep" && word != "info" && word != "check") {
    return "takes init, keep, info, check, backup or restore";
  }
  return words.size() == 1 ? "" : word + " takes no words";
}

Prepared<Settings> statectl_prepare(const Argv &argv, const Environment &environment) {
  Settings settings;
  Options options("moat-statectl",
                  {"init [--user-only] [--name ROLE=NAME]...",
                   "keep [--snapshot TIME] [--prune TIME]", "info", "check", "backup DIR",
                   "restore DIR"},
                  "Make, keep and show the state that the programs share.");
  options.interleave();
  options.flag("user-only", settings.user_only,
               "init: all of it belongs to the user who calls");
  options.command_line_only();
  options.list("name", "ROLE=NAME", settings.names, "init: the user of a role");
  options.command_line_only();
  options.duration("snapshot", "TIME", settings.keep.snapshot, Milliseconds(1000),
                   Milliseconds(86'400'000), "keep: between copies of learned state");
  options.duration("prune", "TIME", settings.keep.prune, Milliseconds(1000),
                   Milliseconds(86'400'000), "keep: between looks for what has ended");
  if (auto stop = options.parse(argv, environment, settings.common, settings.words)) {
    return std::move(*stop);
  }
  if (const std::string why = misuse_of(settings.words); !why.empty()) return misuse(why);
  return settings;
}

Status init(const Settings &settings, Invocation &invocation) {
  const Places places = Places::from(invocation.env);
  if (settings.user_only) return make_gate(invocation, places, Owners::only_me());
  if (::geteuid() != 0) {
    return permanent_error("init needs root; --user-only makes a gate of your own");
  }
  const auto owners = Owners::of_roles(settings.names);
  if (!owners) return owners.error();
  return make_gate(invocation, places, *owners);
}

Result<int> obey(const Settings &settings, Invocation &invocation) {
  const Places places = Places::from(invocation.env);
  const std::string &word = settings.words[0];
  if (word == "info") return show_info(invocation, places);
  if (word == "check") return check_stores(invocation, places);
  Status status = done;
  if (word == "init") status = init(settings, invocation);
  if (word == "keep") status = keep_state(invocation, places, settings.keep);
  if (word == "backup") status = back_up(invocation, places, settings.words[1]);
  if (word == "restore") status = restore(invocation, places, settings.words[1]);
  if (!status) return status.error();
  return int{exit_ok};
}

Next statectl_run(const Settings &settings, Invocation &invocation) {
  const auto code = obey(settings, invocation);
  if (code) return Next::exit(*code);
  invocation.log.fatal(code.error().what);
  return Next::exit(code.error().temporary ? exit_temporary : exit_permanent);
}

}  // namespace

extern const Program statectl_program;
const Program statectl_program = program<Settings, &statectl_prepare, &statectl_run>(
    "moat-statectl", "makes, keeps and shows the shared state");

}  // namespace moat
