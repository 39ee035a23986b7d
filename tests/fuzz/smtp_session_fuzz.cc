// A client may say what it likes, in pieces of any size: the session answers in
// whole lines, asks for nothing without end, and ends when it is told to.
//
// The first octet of the input chooses the size of the pieces and what directory
// and queue answer.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libcommon/smtp/session.h"

namespace {

using namespace moat;
using Need = Session::Need;

struct Driver {
  explicit Driver(std::uint8_t choice_)
      : choice(choice_), session(rules, client, SessionState{}) {
    rules.me = "mx";
    client.max_size = 1000;
    client.relay = (choice & 8U) != 0;
  }

  // Goes on until octets are needed; false once it is over.
  bool run() {
    for (unsigned steps = 0;; ++steps) {
      if (steps > 100000) std::abort();
      const Session::Step step = session.next(now);
      if (step.need == Need::close) return check_output(), false;
      if (step.need == Need::read) return check_output(), true;
      act(step);
    }
  }

  void act(const Session::Step &step) {
    switch (step.need) {
      case Need::report:
        if (session.take_report().reply.code < 200) std::abort();
        break;
      case Need::pause: now += step.wait.count(); break;
      case Need::recipient: {
        const auto kind = static_cast<RecipientAnswer::Kind>((choice ^ asked++) & 3U);
        session.answer_recipient({kind, "postmaster@here"});
        break;
      }
      case Need::begin:
        if (in_message || session.state().recipients.empty()) std::abort();
        in_message = true;
        size = 0;
        break;
      case Need::body:
        if (!in_message || session.body().empty()) std::abort();
        size += session.body().size();
        if (size > 1000) std::abort();
        break;
      case Need::submit:
        if (!in_message || !session.state().in_mail) std::abort();
        in_message = false;
        session.answer_message((choice & 4U) != 0 ? Reply{451, "4.3.0", "no"}
                                                  : Reply{250, "2.0.0", "ok"});
        break;
      default: break;
    }
    if (!session.state().in_mail) in_message = false;
  }

  // Only whole lines leave: a code from 200 to 599 and no stray CR or LF.
  void check_output() {
    const std::string output = session.take_output();
    std::string_view rest = output;
    while (!rest.empty()) {
      const auto end = rest.find("\r\n");
      if (end == rest.npos || end < 3 || end > 510) std::abort();
      if (rest[0] < '2' || rest[0] > '5') std::abort();
      if (rest.substr(0, end).find_first_of("\r\n") != rest.npos) std::abort();
      rest.remove_prefix(end + 2);
    }
  }

  unsigned choice;
  SessionRules rules;
  SessionClient client;
  Session session;
  std::int64_t now = 0;
  unsigned asked = 0;
  bool in_message = false;
  std::size_t size = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  if (size == 0) return 0;
  Driver driver(data[0]);
  std::string_view input(reinterpret_cast<const char *>(data) + 1, size - 1);
  const std::size_t piece = (data[0] & 0x10U) != 0   ? 1
                            : (data[0] & 0x20U) != 0 ? 7
                                                     : size;
  driver.session.greet(false);
  bool open = driver.run();
  while (open && !input.empty()) {
    driver.session.feed(input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
    open = driver.run();
  }
  if (open) {
    if ((data[0] & 0x40U) != 0) driver.session.stop();
    driver.session.client_left();
    if (driver.run()) std::abort();
  }
  return 0;
}
