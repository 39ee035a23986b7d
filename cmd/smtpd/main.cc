// moat-smtpd: receives mail by SMTP, for recipients that exist here.
//
// Reads  the client on descriptor 0; TCPREMOTEIP and its like, RELAYCLIENT,
//        DATABYTES, MOAT_SESSION; control/public.mdb
// Sets   MOAT_SESSION, MOAT_HELO, MOAT_DEADLINE for the queue
// Then   hands each message to the queue, and exits when the client has gone

#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "cmd/smtpd/conversation.h"
#include "cmd/smtpd/settings.h"
#include "libcommon/base/io.h"
#include "libcommon/base/text.h"

namespace moat {
namespace {

Prepared<SmtpdSettings> smtpd_prepare(const Argv &argv, const Environment &environment) {
  return smtpd_settings(argv, environment);
}

// For servers that give none.
std::string new_session_id() {
  std::array<char, 6> octets{};
  [[maybe_unused]] const auto size = ::getrandom(octets.data(), octets.size(), 0);
  return to_hex({octets.data(), octets.size()});
}

// A queue that is a program must run with all its rights (setuid): then nothing
// is given up. An acceptor of ours has said so already, once for all clients.
void give_up_rights(const SmtpdSettings &settings, const Invocation &invocation) {
  const auto confinement = settings.confinement();
  if (!confinement) {
    if (invocation.chain && invocation.chain->whole()) return;
    invocation.log.event("unconfined", {{"reason", "the queue is a program"}});
  } else if (!is_confined()) {
    const auto confined = confine(*confinement);
    if (!confined) {
      invocation.log.event("unconfined", {{"reason", confined.error().what}});
    }
  }
}

Next smtpd_run(const SmtpdSettings &settings, Invocation &invocation) {
  Environment &environment = invocation.env;
  if (environment.get_or("MOAT_SESSION", "").empty()) {
    environment.set("MOAT_SESSION", new_session_id());
  }
  invocation.log.set_context({{"session", environment.get_or("MOAT_SESSION", "")},
                              {"ip", environment.ucspi("REMOTEIP").value_or("")}});
  give_up_rights(settings, invocation);
  const auto client = session_client(settings, environment);
  if (!client) {
    invocation.log.fatal(client.error().what);
    const std::string reply = "421 4.3.5 " + settings.rules.me + " misconfigured\r\n";
    const auto sent =
        write_all(STDOUT_FILENO, reply, Deadline::after(settings.rules.command_timeout));
    return Next::exit(sent ? exit_permanent : exit_temporary);
  }
  // On the heap: its buffer is for messages, and most sessions bring none.
  std::make_unique<Conversation>(settings, *client, invocation)->run();
  return Next::exit(exit_ok);
}

}  // namespace

extern const Program smtpd_program;
const Program smtpd_program = program<SmtpdSettings, &smtpd_prepare, &smtpd_run>(
    "moat-smtpd", "receives mail by SMTP");

}  // namespace moat
