#include "libcommon/smtp/command.h"
#include "tests/unit/check.h"

using namespace moat;
using namespace std::literals;

namespace {

void knows_verbs() {
  const auto verb = [](std::string_view line) { return parse_command(line).verb; };
  CHECK(verb("EHLO x") == Verb::ehlo);
  CHECK(verb("helo x") == Verb::helo);
  CHECK(verb("QUIT") == Verb::quit);
  CHECK(verb("quit ") == Verb::quit);
  CHECK(verb("STARTTLS") == Verb::known);
  CHECK(verb("") == Verb::unknown);
  CHECK(verb(" QUIT") == Verb::unknown);
  CHECK(verb("QUITX") == Verb::unknown);
  CHECK(verb("\xffQUIT") == Verb::unknown);
  CHECK(verb("MAILFROM:<a@b>") == Verb::unknown);
  CHECK(parse_command("NOOP  a b ").argument == "a b");
}

void knows_other_protocols() {
  for (const auto line : {"GET / HTTP/1.1"sv, "POST /x HTTP/1.0"sv,
                          "CONNECT a:25 HTTP/1.1"sv, "SSH-2.0-OpenSSH_9.2"sv, "Host: a"sv,
                          "host: a"sv, "PRI * HTTP/2.0"sv, "options * HTTP/1.1"sv}) {
    CHECK(parse_command(line).verb == Verb::foreign);
  }
  CHECK(is_foreign_start('\x16'));
  CHECK(is_foreign_start('\0'));
  CHECK(!is_foreign_start('\r'));
  CHECK(!is_foreign_start('Q'));
  CHECK(!is_foreign_start('\xff'));
}

void reads_mail() {
  MailArgument mail;
  CHECK(parse_mail("FROM:<a@b>", {}, mail) == PathError::none);
  CHECK(mail.sender.text() == "a@b" && mail.size == 0 && !mail.eight_bit && !mail.utf8);
  CHECK(parse_mail("from: <a@b>  size=12 Body=8bitMIME SMTPUTF8 ", {}, mail) ==
        PathError::none);
  CHECK(mail.size == 12 && mail.eight_bit && mail.utf8);
  mail = {};
  CHECK(parse_mail("FROM:<> BODY=7BIT", {}, mail) == PathError::none);
  CHECK(mail.sender == Mailbox{} && !mail.eight_bit);
  CHECK(parse_mail("FROM:a@b", {}, mail) == PathError::none);
  const std::string verp = "FROM:<" + std::string(100, 'v') + "@b>";
  CHECK(parse_mail(verp, {}, mail) == PathError::none);
}

void says_what_is_wrong_with_mail() {
  MailArgument mail;
  const auto error = [&](std::string_view text) { return parse_mail(text, {}, mail); };
  CHECK(error("") == PathError::prefix);
  CHECK(error("TO:<a@b>") == PathError::prefix);
  CHECK(error("FROM <a@b>") == PathError::prefix);
  CHECK(error("FROM:") == PathError::address);
  CHECK(error("FROM:<a>") == PathError::address);
  CHECK(error("FROM:<postmaster>") == PathError::address);
  CHECK(error("FROM:<a@b>SIZE=1") == PathError::address);
  for (const auto word :
       {"SIZE"sv, "SIZE="sv, "SIZE=x"sv, "SIZE=-1"sv, "SIZE=1 SIZE=1"sv,
        "SIZE=99999999999999999999"sv, "BODY=9BIT"sv, "BODY"sv, "SMTPUTF8="sv,
        "SMTPUTF8 SMTPUTF8"sv, "BODY=7BIT BODY=8BITMIME"sv}) {
    CHECK(error(std::string("FROM:<a@b> ").append(word)) == PathError::parameter);
  }
  for (const auto word : {"RET=FULL"sv, "AUTH=<>"sv, "X"sv, "=1"sv, "BODY8BITMIME"sv}) {
    CHECK(error(std::string("FROM:<a@b> ").append(word)) == PathError::unknown);
  }
  CHECK(parse_mail("FROM:<a@b> SIZE=1", {.size = false}, mail) == PathError::unknown);
  CHECK(parse_mail("FROM:<a@b> SMTPUTF8", {.utf8 = false}, mail) == PathError::unknown);
  CHECK(parse_mail("FROM:<a@b> BODY=7BIT", {.eight_bit = false}, mail) ==
        PathError::unknown);
}

void reads_rcpt() {
  Mailbox recipient;
  CHECK(parse_rcpt("TO:<a@b>", recipient) == PathError::none);
  CHECK(recipient.text() == "a@b");
  CHECK(parse_rcpt("TO:<postmaster>", recipient) == PathError::none);
  CHECK(recipient == Mailbox{"postmaster", ""});
  CHECK(parse_rcpt("TO:<>", recipient) == PathError::address);
  CHECK(parse_rcpt("TO:", recipient) == PathError::address);
  CHECK(parse_rcpt("FROM:<a@b>", recipient) == PathError::prefix);
  CHECK(parse_rcpt("TO:<a@b> NOTIFY=NEVER", recipient) == PathError::unknown);
  const std::string long_one = "TO:<" + std::string(65, 'v') + "@b>";
  CHECK(parse_rcpt(long_one, recipient) == PathError::address);
}

void reads_bdat() {
  const auto chunk = parse_bdat("86 LAST");
  CHECK(chunk && chunk->size == 86 && chunk->last);
  CHECK(parse_bdat("0") && !parse_bdat("0")->last);
  CHECK(parse_bdat("1 last")->last);
  for (const auto text : {""sv, "LAST"sv, "-1"sv, "1 FIRST"sv, "1 LAST x"sv, "0x10"sv,
                          "9223372036854775808"sv, "99999999999999999999999"sv}) {
    CHECK(!parse_bdat(text));
  }
}

}  // namespace

int main() {
  knows_verbs();
  knows_other_protocols();
  reads_mail();
  says_what_is_wrong_with_mail();
  reads_rcpt();
  reads_bdat();
  return test::done();
}
