#include "libcommon/base/environment.h"
#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/smtp/address.h"
#include "tests/unit/check.h"

using namespace moat;
using namespace std::literals;

namespace {

// Returns "LOCAL|DOMAIN" of a mailbox, or "refused".
std::string parsed(std::string_view text) {
  const auto mailbox = parse_mailbox(text);
  return mailbox ? mailbox->local + "|" + mailbox->domain : "refused";
}

// Returns "LOCAL|DOMAIN|" and what is left of a path's argument, or "refused".
std::string path(std::string_view text) {
  const auto mailbox = take_path(text);
  if (!mailbox) return "refused";
  return mailbox->local + "|" + mailbox->domain + "|" + std::string(text);
}

std::string letters(std::size_t size) { return std::string(size, 'x'); }

// A domain of exactly `size` octets, 4 or more.
std::string domain_of(std::size_t size) {
  std::string domain;
  while (size - domain.size() > 63) domain += letters(61) + ".";
  return domain + letters(size - domain.size());
}

void takes_mailboxes_apart() {
  CHECK(parsed("a@b.example") == "a|b.example");
  CHECK(parsed("a.b+tag@b.example") == "a.b+tag|b.example");
  CHECK(parsed("o'brien=x#!%@b.example") == "o'brien=x#!%|b.example");
  CHECK(parsed("\"a b\"@b.example") == "a b|b.example");
  CHECK(parsed("\"a\\\"\\\\b\"@b.example") == "a\"\\b|b.example");
  CHECK(parsed("\"x@y\"@b.example") == "x@y|b.example");
  CHECK(parsed("a@[192.0.2.1]") == "a|[192.0.2.1]");
  CHECK(parsed("a@[IPv6:2001:db8::1]") == "a|[IPv6:2001:db8::1]");
  CHECK(parsed("gr\xc3\xbc\xc3\x9f@b\xc3\xbc.example") ==
        "gr\xc3\xbc\xc3\x9f|b\xc3\xbc.example");
}

void refuses_what_is_none() {
  for (const auto text : {""sv,
                          "@"sv,
                          "a"sv,
                          "a@"sv,
                          "@b"sv,
                          "a@b@c"sv,
                          ".a@b"sv,
                          "a.@b"sv,
                          "a..b@c"sv,
                          "a b@c"sv,
                          "a@b c"sv,
                          "a@-b"sv,
                          "a@b-"sv,
                          "a@b..c"sv,
                          "a@.b"sv,
                          "a@b."sv,
                          "a@b\0"sv,
                          "a\0@b"sv,
                          "\"a\0\"@b"sv,
                          "\"a\nb\"@c"sv,
                          "\"a@b"sv,
                          "\"a\\\"@b"sv,
                          "\"a\"b@c"sv,
                          "a\"b\"@c"sv,
                          "a(c)@b"sv,
                          "a@[192.0.2]"sv,
                          "a@[192.0.2.1"sv,
                          "a@192.0.2.1]"sv,
                          "a@[2001:db8::1]"sv,
                          "a@[IPv6:192.0.2.1]"sv,
                          "a@[IPv6:2001:db8::1%eth0]"sv,
                          "a@[x-y:z]"sv,
                          "a\x80@b"sv,
                          "a@b\xff"sv,
                          "\xc0\xaf@b"sv,
                          "\xed\xa0\x80@b"sv,
                          "a@b/c"sv,
                          "a@b,c"sv}) {
    CHECK(parsed(text) == "refused");
  }
}

void bounds_every_length() {
  CHECK(parsed(letters(64) + "@b") == letters(64) + "|b");
  CHECK(parsed(letters(65) + "@b") == "refused");
  CHECK(parsed("\"" + letters(62) + "\"@b") == letters(62) + "|b");
  CHECK(parsed("\"" + letters(63) + "\"@b") == "refused");
  CHECK(parse_mailbox(letters(100) + "@b", max_path));
  CHECK(parsed("a@" + letters(63) + ".b") != "refused");
  CHECK(parsed("a@" + letters(64) + ".b") == "refused");
  CHECK(is_domain(domain_of(255)));
  CHECK(!is_domain(domain_of(256)));
  // A path of 256 octets: its brackets, "a@" and a domain.
  CHECK(path("<a@" + domain_of(252) + ">") != "refused");
  CHECK(path("<a@" + domain_of(253) + ">") == "refused");
  CHECK(path("a@" + domain_of(253)) == "refused");
}

void takes_paths() {
  CHECK(path("<a@b> SIZE=1") == "a|b| SIZE=1");
  CHECK(path("a@b SIZE=1") == "a|b| SIZE=1");
  CHECK(path("<>") == "||");
  CHECK(path("<Postmaster>") == "postmaster||");
  CHECK(path("<@one,@two.example:a@b>") == "a|b|");
  CHECK(path("<\"a>b\"@c>") == "a>b|c|");
  for (const auto text :
       {""sv, "<"sv, "<a@b"sv, "a@b>"sv, "<a@b>x"sv, "<<a@b>>"sv, "< a@b>"sv, "<a@b >"sv,
        "<abuse>"sv, "postmaster"sv, "<@one:>"sv, "<@one,two:a@b>"sv, "<@one a@b>"sv,
        "<@:a@b>"sv, "<a@b>,<postmaster@c>"sv, "<@[192.0.2.1]:a@b>"sv}) {
    CHECK(path(text) == "refused");
  }
}

void writes_what_it_read() {
  const auto text = [](std::string_view mailbox) {
    return parse_mailbox(mailbox)->text();
  };
  CHECK(text("a.b@c") == "a.b@c");
  CHECK(text("\"a.b\"@c") == "a.b@c");
  CHECK(text("\"a b\"@c") == "\"a b\"@c");
  CHECK(text("\"a\\\"\\\\b\"@c") == "\"a\\\"\\\\b\"@c");
  CHECK(text("\"\"@c") == "\"\"@c");
  CHECK(Mailbox{}.text().empty());
  CHECK(Mailbox{"postmaster", ""}.text() == "postmaster");
  CHECK(parse_mailbox("\"x@y\"@c")->envelope() == "x@y@c");
  CHECK(Mailbox{"postmaster", ""}.envelope() == "postmaster");
}

void knows_names_of_hosts() {
  for (const auto name : {"a"sv, "localhost"sv, "a.b.example"sv, "x_y.example"sv,
                          "[192.0.2.1]"sv, "[IPv6:2001:db8::1]"sv, "[ipv6:2001:db8::1]"sv,
                          "192.0.2.1"sv, "2001:db8::1"sv, "xn--4ca.example"sv}) {
    CHECK(is_helo_name(name));
  }
  for (const auto name : {""sv, "a b"sv, "a."sv, "-a"sv, "[192.0.2.1"sv, "[]"sv, "a$b"sv,
                          "<a>"sv, "a(b"sv, "a\"b"sv, "a\tb"sv, "a\0b"sv}) {
    CHECK(!is_helo_name(name));
  }
}

// isemail's table: what RFC 5321 has is accepted, what only RFC 5322 has is not.
void agrees_with_isemail(const std::string &folder) {
  const auto file = read_file(folder + "/address/isemail_tests.tsv", 1U << 20U);
  if (!file) return;
  std::string_view rest = *file;
  take_line(rest);
  while (!rest.empty()) {
    std::string_view line = take_line(rest);
    take_until(line, '\t');
    const std::string_view written = take_until(line, '\t');
    const std::string_view category = take_until(line, '\t');
    std::string address;
    for (std::size_t i = 0; i < written.size(); ++i) {
      const bool escape = written[i] == '\\' && i + 1 < written.size();
      const auto at = escape ? "rnt\\"sv.find(written[i + 1]) : std::string_view::npos;
      address += at == std::string_view::npos ? written[i] : "\r\n\t\\"[at];
      if (at != std::string_view::npos) ++i;
    }
    const bool valid = category == "ISEMAIL_VALID_CATEGORY" ||
                       category == "ISEMAIL_DNSWARN" || category == "ISEMAIL_RFC5321";
    // RFC 5321 lets "::" stand for one group too since its errata; the deprecated
    // form is what inet_pton takes.
    const bool either = line == "ISEMAIL_RFC5321_IPV6DEPRECATED";
    const bool accepted = parse_mailbox(address).has_value();
    if (!either && accepted != valid) std::printf("# %s\n", address.c_str());
    CHECK(either || accepted == valid);
  }
}

// What real clients called themselves, and their senders: nearly all must pass.
void takes_recorded_sessions(const std::string &folder) {
  const auto file = read_file(folder + "/smtp/recorded_sessions.tsv", 16U << 20U);
  if (!file) return;
  std::string_view rest = *file;
  take_line(rest);
  unsigned sessions = 0;
  unsigned refused = 0;
  while (!rest.empty()) {
    std::string_view line = take_line(rest);
    for (int i = 0; i < 6; ++i) take_until(line, '\t');
    const std::string_view helo = take_until(line, '\t');
    const std::string_view sender = take_until(line, '\t');
    ++sessions;
    if (!helo.empty() && !is_helo_name(helo)) ++refused;
    if (!sender.empty() && !parse_mailbox(sender, max_path)) ++refused;
  }
  CHECK(sessions > 6000);
  CHECK(refused * 50 < sessions);
}

}  // namespace

int main(int /*argc*/, char ** /*argv*/, char **envp) {
  takes_mailboxes_apart();
  refuses_what_is_none();
  bounds_every_length();
  takes_paths();
  writes_what_it_read();
  knows_names_of_hosts();
  const auto environment = Environment::from(envp);
  const std::string data(environment.get_or("MOAT_TEST_DATA", "../shared/data"));
  agrees_with_isemail(data);
  takes_recorded_sessions(data);
  return test::done();
}
