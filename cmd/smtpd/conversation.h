// One client's conversation: drives the session over the connection, and asks
// directory and queue for it.

#pragma once

#include <array>
#include <memory>
#include <string>

#include "cmd/smtpd/connection.h"
#include "cmd/smtpd/incoming.h"
#include "cmd/smtpd/settings.h"
#include "libcommon/directory/directory.h"
#include "libcommon/process/invocation.h"
#include "libcommon/queue/submit.h"

namespace moat {

// Returns what is particular to this client. An unusable variable is an error.
Result<SessionClient> session_client(const SmtpdSettings &settings,
                                     const Environment &environment);

class Conversation {
 public:
  // All of them must outlive it.
  Conversation(const SmtpdSettings &settings, const SessionClient &client,
               Invocation &invocation);

  // Talks until either side ends it.
  void run();

 private:
  bool step(Session::Step step);
  bool flush();
  void read(Milliseconds wait);
  void log_report(const SessionReport &report);
  void begin();
  void keep(std::string_view octets);
  RecipientAnswer look_up(const Mailbox &recipient);
  const Directory *directory();
  void submit();
  QueueAnswer queue(const SpooledMessage &spool);
  void log_end();

  const SmtpdSettings &settings_;
  const SessionClient &client_;
  Invocation &invocation_;
  HeldTermination termination_;
  Connection connection_;
  Session session_;
  const Directory *directory_ = nullptr;
  bool directory_failed_ = false;
  std::unique_ptr<IncomingMessage> message_;
  std::array<char, 65536> buffer_;
};

}  // namespace moat
