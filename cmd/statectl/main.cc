// moat-statectl: makes, keeps, shows, backs up and restores the shared state.
//
// Reads  $MOAT_DIR and its like
// Sets   nothing
// Then   exits 0, 1 (check found damage), 100 or 111

#include <unistd.h>

#include "cmd/statectl/gate.h"
#include "libcommon/process/invocation.h"

namespace moat {
namespace {

struct Settings {
  Common common;
  Argv words;
  bool user_only = false;
  std::vector<std::string> names;
};

Prepared<Settings> statectl_prepare(const Argv &argv, const Environment &environment) {
  Settings settings;
  Options options("moat-statectl", {"init [--user-only] [--name ROLE=NAME]..."},
                  "Make, keep and show the state that the programs share.");
  options.interleave();
  options.flag("user-only", settings.user_only,
               "init: all of it belongs to the user who calls");
  options.command_line_only();
  options.list("name", "ROLE=NAME", settings.names, "init: the user of a role");
  options.command_line_only();
  if (auto stop = options.parse(argv, environment, settings.common, settings.words)) {
    return std::move(*stop);
  }
  if (settings.words != Argv{"init"}) return misuse("takes init");
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

Next statectl_run(const Settings &settings, Invocation &invocation) {
  const auto status = init(settings, invocation);
  if (status) return Next::exit(exit_ok);
  invocation.log.fatal(status.error().what);
  return Next::exit(status.error().temporary ? exit_temporary : exit_permanent);
}

}  // namespace

extern const Program statectl_program;
const Program statectl_program = program<Settings, &statectl_prepare, &statectl_run>(
    "moat-statectl", "makes, keeps and shows the shared state");

}  // namespace moat
