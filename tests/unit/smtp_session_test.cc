#include <utility>

#include "libcommon/smtp/session.h"
#include "tests/unit/check.h"

using namespace moat;
using namespace std::literals;

namespace {

using Need = Session::Need;

// Drives a session as a server would, and keeps all that it said and did.
struct Driver {
  explicit Driver(SessionRules with = {}, SessionClient who = {}, SessionState state = {})
      : rules(std::move(with)),
        client(std::move(who)),
        session(rules, client, std::move(state)) {
    rules.me = "mx";
  }
  Driver(const Driver &) = delete;
  Driver &operator=(const Driver &) = delete;

  // Goes on until octets are needed or all is over.
  void run() {
    for (;;) {
      const Session::Step step = session.next(now);
      switch (step.need) {
        case Need::report: reports.push_back(session.take_report()); continue;
        case Need::pause:
          ++pauses;
          now += step.wait.count();
          continue;
        case Need::recipient: session.answer_recipient(answer()); continue;
        case Need::begin: message.clear(); continue;
        case Need::body: message += session.body(); continue;
        case Need::submit:
          messages.push_back(message);
          envelopes.push_back(session.state());
          session.answer_message(queue_answer);
          continue;
        case Need::read: wait = step.wait; break;
        case Need::close: closed = true; break;
      }
      said += session.take_output();
      return;
    }
  }

  RecipientAnswer answer() {
    using Kind = RecipientAnswer::Kind;
    const Mailbox &who = session.recipient();
    if (who.domain == "unsure") return {Kind::unsure, ""};
    if (!who.domain.empty() && who.domain != "here") return {Kind::foreign, ""};
    return {who.local.starts_with("no") ? Kind::unknown : Kind::deliverable,
            who.local + "@here"};
  }

  // Says it, and returns what came back.
  std::string say(std::string_view text) {
    said.clear();
    session.feed(text);
    run();
    return said;
  }

  std::string greeted() {
    session.greet(false);
    run();
    return std::exchange(said, "");
  }

  SessionRules rules;
  SessionClient client;
  Session session;
  std::int64_t now = 0;
  Milliseconds wait{0};
  unsigned pauses = 0;
  bool closed = false;
  std::string said;
  std::string message;
  Reply queue_answer{250, "2.0.0", "queued"};
  std::vector<SessionReport> reports;
  std::vector<std::string> messages;
  std::vector<SessionState> envelopes;
};

SessionRules patient() {
  SessionRules rules;
  rules.max_errors = rules.max_junk = rules.max_unknown = 1000;
  rules.tarpit_delay = Milliseconds(0);
  return rules;
}

struct AfterMail : Driver {
  explicit AfterMail(SessionRules with = patient(), SessionClient who = {})
      : Driver(std::move(with), std::move(who)) {
    greeted();
    say("EHLO c\r\n");
    say("MAIL FROM:<a@b>\r\n");
  }
};

void greets() {
  Driver driver(patient());
  CHECK(driver.greeted() == "220 mx ESMTP\r\n");
  CHECK(
      driver.say("EHLO c\r\n") ==
      "250-mx\r\n250-PIPELINING\r\n250-SIZE 26214400\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
      "250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250 LIMITS RCPTMAX=100\r\n");
  CHECK(driver.say("HELO c\r\n") == "250 mx\r\n");
  CHECK(driver.say("QUIT\r\n") == "221 2.0.0 mx closing\r\n");
  CHECK(driver.closed && driver.session.ending() == "quit");
}

void offers_less_if_told() {
  SessionRules rules = patient();
  rules.offer = {false, false, false, false, false, false, false};
  Driver driver(rules);
  driver.greeted();
  CHECK(driver.say("EHLO c\r\n") == "250 mx\r\n");
  CHECK(driver.say("MAIL FROM:<a@b> SIZE=1\r\n").starts_with("555 5.5.4 "));
  CHECK(driver.say("MAIL FROM:<a@b>\r\nRCPT TO:<a@here>\r\n").starts_with("554 5.5.0 "));
  CHECK(driver.closed);
}

void accepts_a_message() {
  AfterMail driver;
  CHECK(driver.say("RCPT TO:<me@here>\r\nRCPT TO:<postmaster>\r\nDATA\r\n") ==
        "250 2.1.5 ok\r\n250 2.1.5 ok\r\n354 end with a line of a single dot\r\n");
  CHECK(driver.say("Subject: x\r\n\r\n..\r\n.\r\n") == "250 2.0.0 queued\r\n");
  CHECK(driver.messages.size() == 1 && driver.messages[0] == "Subject: x\n\n.\n");
  CHECK(driver.envelopes[0].mail.sender.text() == "a@b");
  CHECK(driver.envelopes[0].recipients ==
        std::vector<std::string>({"me@here", "postmaster@here"}));
  CHECK(driver.session.state().messages == 1 && !driver.session.state().in_mail);
}

void takes_it_an_octet_at_a_time() {
  const std::string_view text =
      "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<me@here>\r\nDATA\r\nx\r\n.\r\n"
      "MAIL FROM:<>\r\nRCPT TO:<me@here>\r\nBDAT 3\r\ny\r\nBDAT 2 LAST\r\nz\nQUIT\r\n";
  Driver driver(patient());
  driver.greeted();
  for (const char c : text) driver.say({&c, 1});
  CHECK(driver.messages == std::vector<std::string>({"x\n"}));
  CHECK(driver.closed && driver.session.ending() == "cut");  // the bare LF
}

void keeps_the_order() {
  Driver driver(patient());
  driver.greeted();
  CHECK(driver.say("MAIL FROM:<a@b>\r\n").starts_with("503 5.5.1 "));
  CHECK(driver.say("RCPT TO:<me@here>\r\n").starts_with("503 5.5.1 "));
  CHECK(driver.say("DATA\r\n").starts_with("503 5.5.1 "));
  driver.say("EHLO c\r\n");
  CHECK(driver.say("DATA\r\n").starts_with("503 5.5.1 "));
  driver.say("MAIL FROM:<a@b>\r\n");
  CHECK(driver.say("MAIL FROM:<a@b>\r\n").starts_with("503 5.5.1 "));
  CHECK(driver.say("DATA\r\n").starts_with("554 5.5.1 "));
  CHECK(driver.say("RSET\r\n").starts_with("250 "));
  CHECK(driver.say("RCPT TO:<me@here>\r\n").starts_with("503 5.5.1 "));
  driver.say("MAIL FROM:<a@b>\r\n");
  CHECK(driver.say("EHLO c\r\n").starts_with("250"));
  CHECK(driver.say("RCPT TO:<me@here>\r\n").starts_with("503 5.5.1 "));
}

void decides_on_recipients() {
  AfterMail driver;
  CHECK(driver.say("RCPT TO:<x@there>\r\n") == "550 5.7.1 relaying denied\r\n");
  CHECK(driver.say("RCPT TO:<nobody@here>\r\n") ==
        "550 5.1.1 no such recipient here\r\n");
  CHECK(driver.say("RCPT TO:<x@unsure>\r\n").starts_with("451 4.3.0 "));
  CHECK(driver.say("RCPT TO:<@there:me@here>\r\n") == "250 2.1.5 ok\r\n");
  CHECK(driver.say("RCPT TO:<@here:me@there>\r\n") == "550 5.7.1 relaying denied\r\n");
  CHECK(driver.say("RCPT TO:<me%there@here>\r\n") == "250 2.1.5 ok\r\n");
  CHECK(driver.say("RCPT TO:<abuse>\r\n").starts_with("501 5.1.3 "));
  CHECK(driver.say("RCPT TO:<me@here> NOTIFY=NEVER\r\n").starts_with("555 5.5.4 "));
  CHECK(driver.session.state().recipients ==
        std::vector<std::string>({"me@here", "me%there@here"}));
  CHECK(driver.reports.size() == 8);
  const SessionReport &relay = driver.reports[0];
  CHECK(relay.event == SessionReport::Event::reject && relay.stage == "rcpt");
  CHECK(relay.sender == "a@b" && relay.recipient == "x@there" && relay.reason == "relay");
}

void lets_customers_relay() {
  SessionClient client;
  client.relay = true;
  AfterMail driver(patient(), client);
  CHECK(driver.say("RCPT TO:<x@there>\r\n") == "250 2.1.5 ok\r\n");
  CHECK(driver.say("RCPT TO:<nobody@here>\r\n").starts_with("550 5.1.1 "));
  CHECK(driver.say("RCPT TO:<x@unsure>\r\n").starts_with("451 "));

  client.relay_suffix = "@gateway";
  AfterMail gateway(patient(), client);
  gateway.say("RCPT TO:<x@there>\r\n");
  CHECK(gateway.session.state().recipients ==
        std::vector<std::string>({"x@there@gateway"}));
}

void wants_smtputf8_for_utf8() {
  AfterMail driver;
  CHECK(driver.say("RCPT TO:<\xc3\xbc@here>\r\n").starts_with("553 5.6.7 "));
  driver.say("RSET\r\n");
  CHECK(driver.say("MAIL FROM:<\xc3\xbc@b>\r\n").starts_with("553 5.6.7 "));
  CHECK(driver.say("MAIL FROM:<\xc3\xbc@b> SMTPUTF8\r\n").starts_with("250 "));
  CHECK(driver.say("RCPT TO:<\xc3\xbc@here>\r\n").starts_with("250 "));
  CHECK(driver.say("RCPT TO:<\xff@here>\r\n").starts_with("501 5.1.3 "));
}

void refuses_early_talkers() {
  Driver driver;
  driver.session.greet(true);
  driver.run();
  CHECK(driver.said.starts_with("554 5.5.0 ") && driver.closed);
  CHECK(driver.reports.size() == 1 && driver.reports[0].reason == "early-talk");

  for (const auto text : {"EHLO c\r\nMAIL FROM:<a@b>\r\n"sv, "HELO c\r\nQUIT\r\n"sv,
                          "NOOP\r\nNOOP\r\n"sv, "EHLO c\r\nx"sv}) {
    Driver hasty(patient());
    hasty.greeted();
    CHECK(hasty.say(text).starts_with("554 5.5.0 ") && hasty.closed);
  }
  for (const auto text :
       {"NOOP\r\nRSET\r\n"sv, "VRFY x\r\nRSET\r\n"sv, "EHLO c\r\nRSET\r\n"sv,
        "EXPN x\r\nRSET\r\n"sv, "RCPT TO:<me@here>\r\nDATA\r\nx\r\n.\r\n"sv}) {
    AfterMail hasty;
    const std::string reply = hasty.say(text);
    CHECK(reply.find("554 5.5.0 ") != std::string::npos && hasty.closed);
    CHECK(hasty.messages.empty());
  }
  Driver quitting(patient());
  quitting.greeted();
  CHECK(quitting.say("QUIT\r\nQUIT\r\n") == "221 2.0.0 mx closing\r\n");
}

void cuts_other_protocols_off() {
  for (const auto text : {"GET / HTTP/1.1\r\n"sv, "POST / HTTP/1.1\r\nHost: x\r\n"sv,
                          "CONNECT a:25 HTTP/1.1\r\n"sv, "SSH-2.0-x\r\n"sv,
                          "\x16\x03\x01\x02\x00\x01"sv, "\0"sv, "\x05\x01\x00"sv}) {
    Driver driver(patient());
    driver.greeted();
    CHECK(driver.say(text).starts_with("521 5.5.1 ") && driver.closed);
    CHECK(driver.reports.back().reason == "foreign-protocol");
  }
}

void wants_strict_line_ends() {
  for (const auto text :
       {"NOOP\n"sv, "\n"sv, "NOOP\rNOOP\r\n"sv, "NO\rOP"sv, "NOOP\r\r\n"sv}) {
    Driver driver(patient());
    driver.greeted();
    CHECK(driver.say(text).starts_with("521 5.5.2 ") && driver.closed);
  }
  for (const auto text : {"x\n.\n"sv, "x\r.\r"sv, "\r\n.\n"sv, "x\r\n.\rQUIT"sv}) {
    AfterMail driver;
    driver.say("RCPT TO:<me@here>\r\nDATA\r\n");
    CHECK(driver.say(text).starts_with("554 5.5.2 ") && driver.closed);
    CHECK(driver.messages.empty() && driver.session.ending() == "cut");

    AfterMail chunked;
    const std::string bdat = "RCPT TO:<me@here>\r\nBDAT 20 LAST\r\n" + std::string(text);
    CHECK(chunked.say(bdat).find("554 5.5.2 ") != std::string::npos || !chunked.closed);
    CHECK(chunked.messages.empty());
  }
}

void bears_bad_octets_in_commands() {
  Driver driver(patient());
  driver.greeted();
  CHECK(driver.say("NO\0OP\r\n"sv).starts_with("500 5.5.2 "));
  CHECK(driver.say("\xff\xfe\r\n").starts_with("500 5.5.2 "));
  CHECK(driver.say("\r\n").starts_with("500 5.5.2 "));
  CHECK(driver.say("EHLO a\x01\r\n").starts_with("501 5.5.2 "));
  CHECK(driver.say("EHLO\r\n").starts_with("501 5.5.2 "));
  CHECK(driver.say("AUTH PLAIN x\r\n").starts_with("502 5.5.1 "));
}

void bounds_a_line() {
  Driver driver(patient());
  driver.greeted();
  const std::string fits = "NOOP " + std::string(max_command_line - 7, 'x') + "\r\n";
  CHECK(driver.say(fits).starts_with("250 "));
  CHECK(driver.say("x" + fits).starts_with("500 5.5.6 "));
  CHECK(driver.say(std::string(5000, 'x')).empty());
  CHECK(driver.say(std::string(5000, 'x') + "\r").empty());
  CHECK(driver.say("\nNOOP\r\n") == "500 5.5.6 line too long\r\n250 2.0.0 ok\r\n");
  CHECK(driver.say(std::string(5000, 'x') + "\nNOOP\r\n").starts_with("521 5.5.2 "));
  CHECK(driver.closed);

  Driver endless(patient());
  endless.greeted();
  for (int i = 0; i < 16 && !endless.closed; ++i) endless.say(std::string(5000, 'x'));
  CHECK(endless.closed && endless.said.starts_with("521 5.5.6 "));
}

void reads_chunks() {
  AfterMail driver;
  CHECK(
      driver.say("RCPT TO:<me@here>\r\nBDAT 4\r\na\r\nbBDAT 3\r\nc\r\nBDAT 0 LAST\r\n") ==
      "250 2.1.5 ok\r\n250 2.0.0 4 octets received\r\n250 2.0.0 3 octets received\r\n"
      "250 2.0.0 queued\r\n");
  CHECK(driver.messages == std::vector<std::string>({"a\nbc\n"}));
  CHECK(driver.say("MAIL FROM:<>\r\nRCPT TO:<me@here>\r\nBDAT 3 LAST\r\n.\r\n")
            .ends_with("250 2.0.0 queued\r\n"));
  CHECK(driver.messages[1] == ".\n");
  driver.say("MAIL FROM:<>\r\nRCPT TO:<me@here>\r\nBDAT 1\r\nx");
  CHECK(driver.say("RCPT TO:<me@here>\r\n").starts_with("503 "));
  CHECK(driver.say("DATA\r\n").starts_with("503 "));
  CHECK(driver.say("MAIL FROM:<>\r\n").starts_with("503 "));
  CHECK(driver.say("RSET\r\n").starts_with("250 "));
  CHECK(driver.messages.size() == 2);
}

void drains_refused_chunks() {
  Driver driver(patient());
  driver.greeted();
  driver.say("EHLO c\r\n");
  CHECK(driver.say("BDAT 6\r\nQUIT\r\nNOOP\r\n") ==
        "503 5.5.1 send MAIL and RCPT first\r\n250 2.0.0 ok\r\n");
  CHECK(driver.say("MAIL FROM:<>\r\nRCPT TO:<nobody@here>\r\nBDAT 6 LAST\r\nQUIT\r\n")
            .ends_with("554 5.5.1 no valid recipients\r\n"));
  CHECK(!driver.closed);
  CHECK(driver.say("BDAT 99999999999999999999\r\n").starts_with("501 5.5.4 "));
  CHECK(driver.closed);
}

void bounds_a_message() {
  SessionClient client;
  client.max_size = 10;
  AfterMail driver(patient(), client);
  CHECK(driver.say("RCPT TO:<me@here>\r\nDATA\r\n").ends_with("dot\r\n"));
  CHECK(driver.say("12345678\r\n.\r\n") == "250 2.0.0 queued\r\n");
  CHECK(driver.say("MAIL FROM:<a@b> SIZE=11\r\n").starts_with("552 5.3.4 "));
  driver.say("MAIL FROM:<a@b> SIZE=10\r\nRCPT TO:<me@here>\r\nDATA\r\n");
  CHECK(driver.say("123456789\r\n") == "");
  CHECK(driver.say(".\r\n") == "552 5.3.4 message too large\r\n");
  driver.say("MAIL FROM:<a@b>\r\nRCPT TO:<me@here>\r\nBDAT 8\r\n12345678");
  CHECK(driver.say("BDAT 8\r\n12345678").starts_with("552 5.3.4 "));
  CHECK(driver.say("BDAT 8 LAST\r\n12345678").starts_with("503 5.5.1 "));
  CHECK(driver.messages.size() == 1);
}

void bounds_recipients() {
  SessionRules rules;
  rules.max_recipients = 2;
  AfterMail driver(rules);
  std::string commands;
  for (int i = 0; i < 50; ++i) commands += "RCPT TO:<me@here>\r\n";
  const std::string replies = driver.say(commands);
  CHECK(replies.starts_with("250 2.1.5 ok\r\n250 2.1.5 ok\r\n452 4.5.3 too many recip"));
  CHECK(!driver.closed && driver.pauses == 0);
  CHECK(driver.say("DATA\r\n").starts_with("354 "));
}

void bounds_errors() {
  Driver driver;
  driver.greeted();
  driver.say("EHLO c\r\n");
  driver.say("x\r\n");
  driver.say("x\r\n");
  CHECK(driver.pauses == 0);
  driver.say("x\r\n");
  CHECK(driver.pauses == 1);
  driver.say("x\r\n");
  CHECK(driver.say("x\r\n").starts_with("500 ") && driver.pauses == 3);
  CHECK(driver.say("x\r\n") == "421 4.7.0 mx too many errors\r\n");
  CHECK(driver.closed && driver.session.ending() == "limit");
}

void forgives_who_brings_mail() {
  Driver driver;
  driver.greeted();
  driver.say("EHLO c\r\n");
  for (int i = 0; i < 20; ++i) {
    driver.say("x\r\n");
    driver.say("RSET\r\n");
    driver.say("MAIL FROM:<a@b>\r\nRCPT TO:<me@here>\r\nDATA\r\n");
    CHECK(driver.say(".\r\n").starts_with("250 "));
  }
  CHECK(!driver.closed && driver.pauses == 0);
}

void bounds_junk() {
  Driver driver;
  driver.greeted();
  for (int i = 0; i < 20; ++i) CHECK(driver.say("NOOP\r\n").starts_with("250 "));
  CHECK(driver.say("RSET\r\n") == "421 4.7.0 mx too many commands\r\n");
  CHECK(driver.closed);

  Driver vain;
  vain.greeted();
  vain.say("EHLO c\r\n");
  for (int i = 0; i < 20; ++i) vain.say("EHLO c\r\n");
  CHECK(vain.say("EHLO c\r\n").starts_with("421 4.7.0 "));
}

void bounds_unknown_recipients() {
  AfterMail driver(SessionRules{});
  for (int i = 0; i < 3; ++i) {
    CHECK(driver.say("RCPT TO:<no@here>\r\n").starts_with("550 5.1.1 "));
  }
  CHECK(driver.say("RCPT TO:<no@here>\r\n").starts_with("421 4.7.0 "));
  CHECK(driver.closed);
}

void bounds_time() {
  Driver driver(patient());
  driver.greeted();
  CHECK(driver.wait == Milliseconds(300000));
  driver.now = 3600000 - 5;
  driver.say("NOOP\r\n");
  CHECK(driver.wait == Milliseconds(5));
  driver.now = 3600000;
  CHECK(driver.say("NOOP\r\n") == "421 4.4.2 mx session too long\r\n" && driver.closed);

  Driver idle(patient());
  idle.greeted();
  idle.session.timed_out();
  idle.run();
  CHECK(idle.said == "421 4.4.2 mx timed out, closing\r\n" && idle.closed);

  AfterMail slow;
  slow.say("RCPT TO:<me@here>\r\nDATA\r\n");
  slow.now = 3600000;
  CHECK(slow.say("x\r\n").starts_with("421 4.4.2 ") && slow.closed);
}

void wants_a_whole_command_in_time() {
  Driver driver(patient());
  driver.greeted();
  for (int i = 0; i < 4; ++i) {
    driver.now += 70000;
    driver.say("x");
    CHECK(driver.wait == Milliseconds(300000 - driver.now));
  }
  driver.now += 70000;
  CHECK(driver.say("x") == "421 4.4.2 mx timed out, closing\r\n" && driver.closed);
}

void stops_between_commands_alone() {
  AfterMail driver;
  driver.say("RCPT TO:<me@here>\r\nDATA\r\n");
  driver.say("x\r\n");
  driver.session.stop();
  driver.said.clear();
  driver.run();
  CHECK(driver.said.empty() && !driver.closed);
  CHECK(driver.say(".\r\n") ==
        "250 2.0.0 queued\r\n421 4.3.2 mx service stopping, try again\r\n");
  CHECK(driver.closed && driver.messages.size() == 1);
}

void queues_nothing_of_half_a_message() {
  AfterMail driver;
  driver.say("RCPT TO:<me@here>\r\nDATA\r\n");
  driver.say("x\r\n");
  driver.session.client_left();
  driver.run();
  CHECK(driver.closed && driver.messages.empty() && driver.session.ending() == "eof");
}

void passes_on_what_the_queue_says() {
  AfterMail driver;
  driver.queue_answer = {451, "4.3.0", "disk full"};
  driver.say("RCPT TO:<me@here>\r\nDATA\r\n");
  CHECK(driver.say(".\r\n") == "451 4.3.0 disk full\r\n");
  CHECK(driver.reports.back().reason == "queue" &&
        driver.reports.back().recipient == "me@here");
  CHECK(driver.session.state().messages == 0 && !driver.session.state().in_mail);
}

// The lobby's case: at the first accepted recipient another process goes on.
void can_be_handed_over() {
  AfterMail first;
  first.session.feed("RCPT TO:<me@here>\r\nRCPT TO:<you@here>\r\n");
  Session::Step step = first.session.next(0);
  CHECK(step.need == Need::recipient);
  const std::string unanswered = first.session.unanswered();
  CHECK(unanswered == "RCPT TO:<me@here>\r\nRCPT TO:<you@here>\r\n");
  Driver second(patient(), {}, first.session.state());
  CHECK(second.say(unanswered) == "250 2.1.5 ok\r\n250 2.1.5 ok\r\n");
  CHECK(second.session.state().mail.sender.text() == "a@b");
}

void does_not_sink_in_small_chunks() {
  SessionRules rules;
  AfterMail driver(rules);
  std::string commands = "RCPT TO:<me@here>\r\n";
  for (int i = 0; i < 20000; ++i) commands += "BDAT 0\r\n";
  driver.say(commands);
  CHECK(driver.closed && driver.said.find("421 4.7.0") != std::string::npos);
}

}  // namespace

int main() {
  greets();
  offers_less_if_told();
  accepts_a_message();
  takes_it_an_octet_at_a_time();
  keeps_the_order();
  decides_on_recipients();
  lets_customers_relay();
  wants_smtputf8_for_utf8();
  refuses_early_talkers();
  cuts_other_protocols_off();
  wants_strict_line_ends();
  bears_bad_octets_in_commands();
  bounds_a_line();
  reads_chunks();
  drains_refused_chunks();
  bounds_a_message();
  bounds_recipients();
  bounds_errors();
  forgives_who_brings_mail();
  bounds_junk();
  bounds_unknown_recipients();
  bounds_time();
  wants_a_whole_command_in_time();
  stops_between_commands_alone();
  queues_nothing_of_half_a_message();
  passes_on_what_the_queue_says();
  can_be_handed_over();
  does_not_sink_in_small_chunks();
  return test::done();
}
