// The check in a chain: may this client relay?

#include <unistd.h>

#include "cmd/relayctl/call.h"
#include "libcommon/base/io.h"
#include "libcommon/directory/directory.h"
#include "libcommon/net/ucspi.h"
#include "libcommon/state/guard.h"

namespace moat::relayctl {
namespace {

Result<std::optional<bool>> ask(const Call &call, Invocation &invocation,
                                const IpAddress &client) {
  const FaultGuard guard;  // one for all look-ups: each would set and reset signals
  const auto directory = Directory::open(invocation, call.places);
  if (!directory) return directory.error();
  return (*directory)->may_relay(client, invocation.clock.wall_seconds());
}

// What the chain behind should know. Unsure is "later", never yes, and never the
// "no" for good that a customer would get at his first RCPT.
Next go_on(const Call &call, Invocation &invocation,
           const Result<std::optional<bool>> &may) {
  Environment &env = invocation.env;
  if (!may) {
    invocation.log.event("unknown", {{"error", may.error().what}});
    env.unset("RELAYCLIENT");
    if (!env.get("MOAT_VERDICT")) {
      env.set("MOAT_VERDICT", "451 4.3.0 relay networks unreadable, try again later");
    }
  } else if (may->value_or(false)) {
    if (!env.get("RELAYCLIENT")) env.set("RELAYCLIENT", "");
  } else if (may->has_value()) {
    env.unset("RELAYCLIENT");
  }
  return Next::go_on(call.next);
}

Next tell(Invocation &invocation, const Result<std::optional<bool>> &may) {
  if (!may) {
    invocation.log.fatal(may.error().what);
    return Next::exit(exit_temporary);
  }
  const bool yes = may->value_or(false);
  const char *no = may->has_value() ? "deny" : "none";
  const auto written = write_all(
      STDOUT_FILENO, std::string("check=relay result=") + (yes ? "allow" : no) + "\n");
  if (!written) return Next::exit(exit_temporary);
  return Next::exit(yes ? exit_ok : exit_found);
}

}  // namespace

std::optional<Confinement> Call::confinement() const {
  if (!checks()) return std::nullopt;
  return Confinement{{places.dir + "/control", places.dir + "/relay"}, {}};
}

void Call::warm(Invocation &invocation) const {
  if (!checks()) return;
  const auto nobody = IpAddress::parse("::");
  [[maybe_unused]] const auto asked = ask(*this, invocation, *nobody);
}

Next check(const Call &call, Invocation &invocation) {
  const bool in_chain = !call.next.empty();
  std::optional<IpAddress> client;
  if (call.ip.empty()) {
    // On a unix socket the client has no address, and nothing is said of him.
    if (in_chain && invocation.env.get("PROTO") == "UNIX") return Next::go_on(call.next);
    client = client_address(invocation.env);
  } else {
    client = IpAddress::parse(call.ip);
  }
  if (!client) {
    invocation.log.fatal(call.ip.empty() ? "no client: $TCPREMOTEIP is no address"
                                         : "--ip takes an address, not " + call.ip);
    return Next::exit(exit_permanent);
  }
  invocation.log.set_context(
      {{"session", invocation.env.get_or("MOAT_SESSION", "-")}, {"ip", client->text()}});
  const auto may = ask(call, invocation, *client);
  return in_chain ? go_on(call, invocation, may) : tell(invocation, may);
}

}  // namespace moat::relayctl
