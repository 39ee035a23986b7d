// moat-tcpd: accept TCP connections and start a chain for each.
//
//   moat-tcpd --user moat --rules smtp 0 smtp moat-relayctl check moat-smtpd
//
// Reads  control/public.mdb, for the access rules
// Sets   PROTO, TCP* and MOAT_SESSION, and what an access rule says
// Then   goes on with its arguments, in a child for each client
//
// The hidden form `moat-tcpd --spawner FD LOG PROGRAM ...` is the spawner that
// it starts for itself before it opens anything (libcommon/process/spawner.h).

#include <unistd.h>

#include "cmd/tcpd/acceptor.h"
#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/process/user.h"

namespace moat {
namespace {

using tcpd::Acceptor;
using tcpd::Settings;

Prepared<Settings> prepare_spawner(const Argv &argv) {
  Settings settings;
  const auto control =
      argv.size() > 4 ? parse_number(argv[2], 3, INT32_MAX) : std::nullopt;
  if (!control) return misuse("--spawner is not for people");
  settings.control = static_cast<int>(*control);
  if (argv[3] == "syslog") settings.common.log = Log::Sink::syslog;
  if (argv[3] == "none") settings.common.log = Log::Sink::none;
  settings.next.assign(argv.begin() + 4, argv.end());
  return settings;
}

Prepared<Settings> tcpd_prepare(const Argv &argv, const Environment &environment) {
  if (argv.size() > 1 && argv[1] == "--spawner") return prepare_spawner(argv);
  Settings settings;
  Argv words;
  if (auto stop = tcpd::read_options(argv, environment, settings, words)) return *stop;
  std::span<const std::string> rest(words);
  auto at = ListenAt::take(rest);
  if (!at) return stop_for(at.error());
  settings.at = std::move(*at);
  settings.next.assign(rest.begin(), rest.end());
  if (settings.next.empty()) return misuse("no program to run");
  return settings;
}

Next stop(const Stop &reason, const Log &log) {
  if (reason.code == exit_ok) {
    return Next::exit(write_all(STDOUT_FILENO, reason.text) ? exit_ok : exit_temporary);
  }
  log.fatal(reason.text);
  return Next::exit(reason.code);
}

Next tcpd_run(const Settings &settings, Invocation &invocation) {
  if (settings.control >= 0) {
    return Next::exit(run_spawner(invocation, settings.control, settings.next));
  }
  if (!tcpd::fill_standard_descriptors()) return Next::exit(exit_temporary);
  auto listener = Listener::open(settings.at, static_cast<int>(settings.backlog));
  if (!listener) return stop(stop_for(listener.error()), invocation.log);
  if (listener->without_ipv6) {
    invocation.log.event("fallback", {{"reason", "no IPv6 in this kernel"}});
  }
  if (auto refused = tcpd::drop_root(settings)) return stop(*refused, invocation.log);

  Acceptor acceptor(settings, invocation, std::move(*listener));
  if (auto mistake = acceptor.prepare()) return stop(*mistake, invocation.log);
  if (settings.port_on_stdout) tcpd::print_port(acceptor.port());
  invocation.log.event("serving", {{"port", acceptor.port()}});
  return Next::exit(acceptor.serve());
}

}  // namespace

extern const Program tcpd_program;
const Program tcpd_program = program<Settings, &tcpd_prepare, &tcpd_run>(
    "moat-tcpd", "accepts connections and starts a chain for each");

}  // namespace moat
