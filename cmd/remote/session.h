// A connection to a server, from the first mail to QUIT.

#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "libcommon/base/clock.h"
#include "libcommon/base/fd.h"
#include "libcommon/process/workers.h"
#include "libcommon/queue/delivery.h"
#include "libcommon/smtp/client.h"
#include "libcommon/smtp/route.h"

namespace moat {

// The waits of RFC 5321 section 4.5.3.2, and one for all of a mail.
struct RemoteSettings {
  std::string hello;  // this server's name
  Milliseconds connect_timeout{30000};
  Milliseconds command_timeout{300000};
  Milliseconds data_timeout{120000};   // for 354
  Milliseconds block_timeout{180000};  // without progress in the message
  Milliseconds final_timeout{600000};  // for the answer to it
  Milliseconds mail_timeout{3600000};
};

// What ends a wait early, beside the server: descriptors, -1 for none.
struct RemoteWatch {
  int caller = -1;  // hangs up: nobody wants to know any more
  int stop = -1;    // readable: this program was told to end
};

class RemoteSession {
 public:
  RemoteSession(const SmtpRoute &route, const RemoteSettings &settings);

  // Sends a message from a regular file or memfd to all of the recipients; an
  // outcome for each, in order. Connects where it has not yet.
  std::vector<Outcome> send(SmtpMail mail, int message, const RemoteWatch &watch);

  // Whether it can take another mail: the last one ended well, and the server
  // has said nothing since.
  bool reusable() const;

  // Says QUIT and waits a second for the answer.
  void quit();

 private:
  void run(const RemoteWatch &watch);
  void refill();
  bool step(const RemoteWatch &watch, Deadline deadline);
  void receive();
  void flush();
  Milliseconds wait_for(SmtpClient::Stage stage) const;

  const RemoteSettings &settings_;
  SmtpRoute route_;
  SmtpClient client_;
  Fd fd_;
  int message_ = -1;
  off_t offset_ = 0;
  SmtpBody body_;
  bool body_ended_ = false;
};

// Measures a message that lies in a regular file or memfd. False: it cannot be
// read.
bool measure_message(int message, SmtpMail &mail);

// Answers at moat-remote's door: a Delivery with a route and its message in, an
// outcome for each recipient out. Keeps the connection for the next request of
// the same route until it was idle.
class RemoteWorker final : public DoorWorker {
 public:
  RemoteWorker(const RemoteSettings &settings, const Log &log)
      : settings_(settings), log_(log) {}
  std::string answer(Packet request, int door, int stop) override;
  void idle() override;

 private:
  const RemoteSettings &settings_;
  const Log &log_;
  std::string route_;
  std::optional<RemoteSession> session_;
};

}  // namespace moat
