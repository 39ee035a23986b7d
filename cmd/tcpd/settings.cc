#include "cmd/tcpd/settings.h"

#include <fcntl.h>
#include <unistd.h>

#include "libcommon/base/io.h"
#include "libcommon/process/user.h"

namespace moat::tcpd {

std::optional<Stop> read_options(const Argv &argv, const Environment &environment,
                                 Settings &settings, Argv &words) {
  settings.own = {argv[0]};
  Options options(
      "moat-tcpd",
      {"OPTIONS HOST PORT PROGRAM [ARG ...]", "OPTIONS unix:PATH PROGRAM [ARG ...]",
       "OPTIONS fd:N PROGRAM [ARG ...]"},
      "Accept connections and start PROGRAM for each, as a UCSPI server.");
  options.number("limit", "COUNT", settings.limit, 1, 100000, "connections at a time");
  options.number("per-ip", "COUNT", settings.per_ip, 1, 100000,
                 "of them from one IPv4 address or IPv6 /64");
  options.rate("rate", "COUNT/TIME", settings.rate,
               "new connections from one of these in a time");
  options.number("backlog", "COUNT", settings.backlog, 1, 65535,
                 "connections that the kernel keeps for us");
  options.text("rules", "NAME", settings.rules, "access rules to obey");
  options.command_line_only();
  options.text("user", "USER", settings.user,
               "become USER[:GROUP] once the socket is open");
  options.command_line_only();
  options.flag("port-on-stdout", settings.port_on_stdout,
               "print the port once clients are served");
  options.command_line_only();
  options.list("proxy-from", "NET", settings.proxy_words,
               "expect a PROXY header from this network");
  options.command_line_only();
  options.duration("proxy-timeout", "TIME", settings.proxy_timeout, Milliseconds(10),
                   std::chrono::minutes(1), "wait for that header");
  options.text("busy", "TEXT", settings.busy,
               "say TEXT to a client over a limit instead of \"421 4.7.0 ...\"");
  options.duration("grace", "TIME", settings.grace, Milliseconds(0),
                   std::chrono::hours(24),
                   "at SIGTERM have the chains end, and wait for them");
  options.duration("fault-wait", "TIME", settings.fault_wait, Milliseconds(0),
                   std::chrono::hours(1), "refuse a network whose chain died by a fault");
  options.number("spawner-children", "COUNT", settings.spawner_children, 1, 1000000,
                 "clients before the process that forks is replaced");
  if (auto stop = options.parse(argv, environment, settings.common, words)) return stop;

  for (const std::string &word : settings.proxy_words) {
    const auto network = IpNetwork::parse(word);
    if (!network)
      return misuse("--proxy-from takes an address or a network, not " + word);
    settings.proxies.push_back(*network);
  }
  return std::nullopt;
}

bool fill_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    // open(2) takes the lowest that is free.
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd) return false;
  }
  return true;
}

std::optional<Stop> drop_root(const Settings &settings) {
  if (settings.user.empty()) {
    if (::geteuid() != 0) return std::nullopt;
    return misuse("root must name whom to become: --user USER");
  }
  const auto user = find_user(settings.user);
  if (!user) return stop_for(user.error());
  const auto became = become_user(*user);
  if (!became) return stop_for(became.error());
  return std::nullopt;
}

void print_port(std::uint16_t port) {
  [[maybe_unused]] const auto written =
      write_all(STDOUT_FILENO, std::to_string(port) + "\n");
  const Fd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (nothing) ::dup2(nothing.get(), STDOUT_FILENO);
}

}  // namespace moat::tcpd
