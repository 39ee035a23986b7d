#include "libcommon/smtp/client.h"
#include "tests/unit/check.h"

using namespace moat;

namespace {

using Stage = SmtpClient::Stage;

SmtpClient client(bool lmtp = false) {
  return SmtpClient({.hello = "me.test", .server = "mx.test:25", .lmtp = lmtp});
}

SmtpMail mail(std::vector<std::string> recipients) {
  return {.sender = "s@a.test", .recipients = std::move(recipients), .size = 100};
}

// Feeds a reply and returns what is sent because of it.
std::string after(SmtpClient &smtp, std::string_view reply) {
  smtp.output().clear();
  smtp.feed(reply);
  return smtp.output();
}

void sends_a_command_at_a_time_to_a_plain_server() {
  SmtpClient smtp = client();
  smtp.begin(mail({"a@b.test", "c@b.test"}));
  CHECK(smtp.output().empty());
  CHECK(after(smtp, "220 mx.test ready\r\n") == "EHLO me.test\r\n");
  CHECK(after(smtp, "502 what?\r\n") == "HELO me.test\r\n");
  CHECK(after(smtp, "250 mx.test\r\n") == "MAIL FROM:<s@a.test>\r\n");
  CHECK(after(smtp, "250 ok\r\n") == "RCPT TO:<a@b.test>\r\n");
  CHECK(after(smtp, "550 5.1.1 no such user\r\n") == "RCPT TO:<c@b.test>\r\n");
  CHECK(after(smtp, "250 ok\r\n") == "DATA\r\n");
  CHECK(smtp.stage() == Stage::data);
  CHECK(after(smtp, "354 go\r\n").empty());
  CHECK(smtp.stage() == Stage::body);
  smtp.body_sent();
  CHECK(smtp.stage() == Stage::answer && !smtp.finished());
  CHECK(after(smtp, "250 2.0.0 queued as 1\r\n").empty());
  CHECK(smtp.finished() && smtp.stage() == Stage::ready);
  CHECK(smtp.outcomes()[0] ==
        Outcome::fail("5.1.1", "mx.test:25 said: 550 5.1.1 no such user"));
  CHECK(smtp.outcomes()[1] == Outcome::ok("mx.test:25 said: 250 2.0.0 queued as 1"));
  smtp.begin(mail({"d@b.test"}));
  CHECK(smtp.output() == "MAIL FROM:<s@a.test>\r\n");
}

void pipelines_where_it_may() {
  SmtpClient smtp = client();
  SmtpMail message = mail({"a@b.test", "o d@b.test"});
  message.eight_bit = true;
  smtp.begin(message);
  smtp.feed("220-mx.test\r\n220 ready\r\n");
  CHECK(
      after(smtp, "250-mx.test\r\n250-PIPELINING\r\n250-size 1000\r\n250 8BITMIME\r\n") ==
      "MAIL FROM:<s@a.test> SIZE=100 BODY=8BITMIME\r\nRCPT TO:<a@b.test>\r\n"
      "RCPT TO:<\"o d\"@b.test>\r\nDATA\r\n");
  CHECK(after(smtp, "250 ok\r\n450 4.2.0 full\r\n250 ok\r\n354 go\r\n").empty());
  CHECK(smtp.stage() == Stage::body);
  smtp.body_sent();
  smtp.feed("554 5.6.0 not that\r\n");
  CHECK(smtp.outcomes()[0].code == Outcome::deferred);
  CHECK(smtp.outcomes()[1].code == Outcome::failed);
}

void sends_a_lone_dot_when_data_came_too_soon() {
  SmtpClient smtp = client();
  smtp.begin(mail({"a@b.test"}));
  smtp.feed("220 x\r\n");
  smtp.feed("250-x\r\n250 PIPELINING\r\n");
  CHECK(after(smtp, "250 ok\r\n550 no\r\n354 go\r\n") == ".\r\nQUIT\r\n");
  CHECK(smtp.finished() && smtp.stage() == Stage::closed);
}

void is_refused_as_a_whole_and_goes_on() {
  for (const char *hello : {"250 x\r\n", "250-x\r\n250 PIPELINING\r\n"}) {
    SmtpClient smtp = client();
    smtp.begin(mail({"a@b.test", "b@b.test"}));
    smtp.feed("220 x\r\n");
    smtp.feed(hello);
    smtp.feed("553 5.7.1 not you\r\n");
    for (int i = 0; i < 3 && smtp.stage() != Stage::ready; ++i)
      smtp.feed("503 5.5.1 no\r\n");
    CHECK(smtp.stage() == Stage::ready && smtp.finished());
    CHECK(smtp.outcomes()[1].code == Outcome::failed);
    CHECK(smtp.outcomes()[1].status == "5.7.1");
  }
}

void gets_an_answer_for_each_recipient_by_lmtp() {
  SmtpClient smtp = client(true);
  smtp.begin(mail({"a@b.test", "b@b.test", "c@b.test"}));
  CHECK(after(smtp, "220 x\r\n") == "LHLO me.test\r\n");
  smtp.feed("250-x\r\n250 PIPELINING\r\n");
  smtp.feed("250 ok\r\n250 ok\r\n550 no\r\n250 ok\r\n354 go\r\n");
  smtp.body_sent();
  smtp.feed("250 2.0.0 saved\r\n");
  CHECK(!smtp.finished());
  smtp.feed("452 4.2.2 over quota\r\n");
  CHECK(smtp.finished() && smtp.stage() == Stage::ready);
  CHECK(smtp.outcomes()[0].code == Outcome::delivered);
  CHECK(smtp.outcomes()[1].code == Outcome::failed);
  CHECK(smtp.outcomes()[2] ==
        Outcome::defer("4.2.2", "mx.test:25 said: 452 4.2.2 over quota"));
  SmtpClient other = client(true);
  other.begin(mail({"a@b.test"}));
  other.feed("220 x\r\n");
  other.feed("500 not LMTP\r\n");  // and no HELO after it
  CHECK(other.stage() == Stage::closed && other.outcomes()[0].code == Outcome::deferred);
}

void defers_what_is_nobodys_fault() {
  for (const char *dialog :
       {"554 go away\r\n", "421 busy\r\n", "220 x\r\n421 4.3.2 no\r\n",
        "220 x\r\n550 no\r\n550 no\r\n", "hello\r\n", "999 x\r\n", "220+x\r\n",
        "220-x\r\n250 y\r\n", "220 x\r\n250 x\r\n250 ok\r\n421 4.3.2 closing\r\n",
        "220 x\r\n250 x\r\n250 ok\r\n250 ok\r\n250 why\r\n",
        "220 x\r\n250 x\r\n250 x\r\n250 x\r\n354 y\r\n250 soon\r\n"}) {
    SmtpClient smtp = client();
    smtp.begin(mail({"a@b.test"}));
    smtp.feed(dialog);
    if (!smtp.finished()) smtp.lost("closed the connection");
    CHECK(smtp.finished() && smtp.outcomes()[0].code == Outcome::deferred);
  }
}

void takes_a_refusal_in_the_midst_of_the_message() {
  SmtpClient smtp = client();
  smtp.begin(mail({"a@b.test"}));
  smtp.feed("220 x\r\n");
  for (const char *reply : {"250 x\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"}) {
    smtp.feed(reply);
  }
  smtp.feed("552 5.3.4 too big\r\n");
  CHECK(smtp.stage() == Stage::closed && smtp.outcomes()[0].status == "5.3.4");
}

void knows_old_words_for_too_many_recipients() {
  SmtpClient smtp = client();
  smtp.begin(mail({"a@b.test", "b@b.test"}));
  smtp.feed("220 x\r\n");
  smtp.feed("250 x\r\n");
  smtp.feed("250 ok\r\n");
  smtp.feed("552 too many recipients\r\n");
  smtp.feed("552 5.2.2 his mailbox is full\r\n");
  smtp.feed("250 reset\r\n");
  CHECK(smtp.outcomes()[0].code == Outcome::deferred);
  CHECK(smtp.outcomes()[1].code == Outcome::failed);
}

void decides_alone_what_needs_no_server() {
  SmtpClient smtp = client();
  SmtpMail big = mail({"a@b.test"});
  big.size = 1001;
  smtp.begin(big);
  smtp.feed("220 x\r\n");
  CHECK(after(smtp, "250-x\r\n250 SIZE 1000\r\n").empty());
  CHECK(smtp.finished() && smtp.outcomes()[0].status == "5.3.4");

  smtp.begin(mail({"\xc3\xa4@b.test", "b@b.test", "x\r\nRSET@b.test"}));
  CHECK(smtp.output() == "MAIL FROM:<s@a.test> SIZE=100\r\n");
  CHECK(after(smtp, "250 ok\r\n") == "RCPT TO:<b@b.test>\r\n");
  smtp.lost("timed out");
  CHECK(smtp.outcomes()[0] ==
        Outcome::fail("5.6.7", "mx.test:25 does not take UTF-8 in addresses"));
  CHECK(smtp.outcomes()[1] == Outcome::defer("4.4.2", "mx.test:25 timed out"));
  CHECK(smtp.outcomes()[2].status == "5.1.3");
}

void says_smtputf8_where_it_is_wanted() {
  SmtpClient smtp = client();
  smtp.begin(mail({"\xc3\xa4@b.test"}));
  smtp.feed("220 x\r\n");
  CHECK(after(smtp, "250-x\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n") ==
        "MAIL FROM:<s@a.test> SMTPUTF8\r\n");
}

void bounds_what_a_server_says() {
  SmtpClient smtp = client();
  smtp.begin(mail({"a@b.test"}));
  smtp.feed(std::string(5000, 'x'));
  CHECK(smtp.stage() == Stage::closed);
  SmtpClient other = client();
  other.begin(mail({"a@b.test"}));
  for (int i = 0; i < 100; ++i) other.feed("220-" + std::string(400, 'x') + "\r\n");
  CHECK(other.stage() == Stage::closed && other.finished());
  CHECK(other.outcomes()[0].text.size() <= max_outcome_text);
}

std::string body_of(std::string_view message, std::size_t piece) {
  SmtpBody body;
  std::string output;
  for (std::size_t i = 0; i < message.size(); i += piece) {
    body.add(message.substr(i, piece), output);
  }
  body.end(output);
  return output;
}

void sends_strict_lines() {
  for (const std::size_t piece : {1U, 2U, 3U, 100U}) {
    CHECK(body_of("a\n.b\n..\nc", piece) == "a\r\n..b\r\n...\r\nc\r\n.\r\n");
    CHECK(body_of("a\r\nb\r\n", piece) == "a\r\nb\r\n.\r\n");
    CHECK(body_of("", piece) == ".\r\n");
    CHECK(body_of("\n.\r\n", piece) == "\r\n..\r\n.\r\n");
    CHECK(body_of("a\r.\r\rb\r\r\nc\r", piece) == "a .  b \r\nc \r\n.\r\n");
    CHECK(body_of("a\n\r.\n", piece) == "a\r\n .\r\n.\r\n");
  }
}

void measures_what_it_will_send() {
  for (const char *text : {"", "a", "a\n", "a\r\nb\n\n", "a\rb\n", "a\r", "\r\n\r\r\n"}) {
    SmtpMeasure measure;
    measure.add(text);
    SmtpMail mail;
    measure.fill(mail);
    CHECK(mail.size + 3 == body_of(text, 100).size());
  }
  SmtpMeasure measure;
  measure.add("Subject: x\n\n\xe4\n");
  SmtpMail mail;
  measure.fill(mail);
  CHECK(mail.eight_bit && !mail.utf8_header);
  SmtpMeasure other;
  other.add("Subject: \xc3\xa4\r\n\r\nx");
  other.fill(mail);
  CHECK(mail.eight_bit && mail.utf8_header);
}

}  // namespace

int main() {
  sends_a_command_at_a_time_to_a_plain_server();
  pipelines_where_it_may();
  sends_a_lone_dot_when_data_came_too_soon();
  is_refused_as_a_whole_and_goes_on();
  gets_an_answer_for_each_recipient_by_lmtp();
  defers_what_is_nobodys_fault();
  takes_a_refusal_in_the_midst_of_the_message();
  knows_old_words_for_too_many_recipients();
  decides_alone_what_needs_no_server();
  says_smtputf8_where_it_is_wanted();
  bounds_what_a_server_says();
  sends_strict_lines();
  measures_what_it_will_send();
  return test::done();
}
