#include "libcommon/queue/delivery.h"

#include "libcommon/smtp/route.h"
#include "tests/unit/check.h"

using namespace moat;
using namespace std::string_literals;

namespace {

void a_delivery_survives_the_door() {
  Delivery delivery{.name = "abc123R0",
                    .sender = "",
                    .recipients = {"a=b@c.test", "d@e.test"},
                    .arrival = 1234567890,
                    .maildir = "/var/vmail/c.test/a",
                    .owner = Delivery::Owner{1000, 100},
                    .route = "unix:/run/lmtp"};
  const auto parsed = parse_delivery(delivery_text(delivery));
  CHECK(parsed && *parsed == delivery);
}

void a_bad_request_is_refused() {
  const std::string good = "name=a\0recipient=b\0"s;
  CHECK(parse_delivery(good));
  for (const std::string &bad :
       {""s, "name=a"s, "name=a\0"s, "recipient=b\0"s, "name=a/b\0recipient=b\0"s,
        "name=\0recipient=b\0"s, good + "name=c\0"s, good + "maildir=x\0"s,
        good + "maildir=/a/../b\0"s, good + "maildir=/..\0"s, good + "owner=1\0"s,
        good + "owner=-1:0\0"s, good + "arrival=x\0"s, good + "other=x\0"s,
        good + "route=\0"s, good + "recipient=\0"s, good + "x"s,
        "name=" + std::string(65, 'a') + "\0recipient=b\0"s,
        good + "sender=" + std::string(5000, 'a') + "\0"s}) {
    CHECK(!parse_delivery(bad) && !parse_delivery(bad).error().temporary);
  }
  std::string many = "name=a\0"s;
  for (int i = 0; i < 100; ++i) many += "recipient=b\0"s;
  CHECK(parse_delivery(many));
  CHECK(!parse_delivery(many + "recipient=b\0"s));
}

void outcomes_survive_the_door() {
  const std::vector<Outcome> outcomes{Outcome::ok("delivered"),
                                      Outcome::defer("4.2.2", "over\nquota"),
                                      Outcome::fail("5.1.1", "")};
  const std::string text = outcomes_text(outcomes);
  CHECK(parse_outcomes(text, 3) == outcomes);
  CHECK(outcomes[1].text == "over?quota");
  CHECK(!parse_outcomes(text, 2));
  CHECK(!parse_outcomes(text, 4));
  for (const std::string &bad : {""s, "K2.0.0 ok"s, "X2.0.0 ok\0"s, "\0"s, "K ok\0"s,
                                 "K3.0.0 ok\0"s, "D5.1 x\0"s, "D5.1111.1 x\0"s}) {
    CHECK(!parse_outcomes(bad, 1));
  }
}

void routes_are_what_they_say() {
  const auto text = [](std::string_view route) {
    const auto parsed = SmtpRoute::parse(route);
    return parsed ? (parsed->lmtp ? "lmtp " : "smtp ") + parsed->text() : "bad";
  };
  CHECK(text("mail.test") == "smtp mail.test:25");
  CHECK(text("mail.test:2525") == "smtp mail.test:2525");
  CHECK(text("127.0.0.1:24") == "lmtp 127.0.0.1:24");
  CHECK(text("smtp:127.0.0.1:24") == "smtp 127.0.0.1:24");
  CHECK(text("lmtp:mail.test") == "lmtp mail.test:24");
  CHECK(text("::1") == "smtp [::1]:25");
  CHECK(text("[::1]:24") == "lmtp [::1]:24");
  CHECK(text("[::1]") == "smtp [::1]:25");
  CHECK(text("unix:/run/dovecot/lmtp") == "lmtp unix:/run/dovecot/lmtp");
  CHECK(text("SMTP:unix:x") == "smtp unix:x");
  for (const char *bad : {"", ":25", "a:", "a:0", "a:65536", "a:x", "unix:", "[::1",
                          "[::1]x", "a b", "lmtp:", "a/b"}) {
    CHECK(text(bad) == "bad");
  }
  CHECK(text("unix:" + std::string(108, 'x')) == "bad");
}

}  // namespace

int main() {
  a_delivery_survives_the_door();
  a_bad_request_is_refused();
  outcomes_survive_the_door();
  routes_are_what_they_say();
  return test::done();
}
