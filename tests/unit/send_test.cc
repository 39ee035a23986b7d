// The parts of moat-send that think: schedule, routes, expansion, reports.

#include <map>

#include "cmd/send/bounce.h"
#include "cmd/send/expand.h"
#include "cmd/send/routes.h"
#include "cmd/send/schedule.h"
#include "tests/unit/check.h"

using namespace moat;

namespace {

void tries_lie_further_and_further_apart() {
  CHECK(next_try(1000, 1000, 400) == 1400);
  CHECK(next_try(1000, 1399, 400) == 1400);
  CHECK(next_try(1000, 1400, 400) == 1000 + 4 * 400);
  CHECK(next_try(1000, 2600, 400) == 1000 + 9 * 400);
  CHECK(next_try(1000, 900, 400) == 1400);  // a clock that went back
  std::int64_t now = 0;
  int tries = 0;
  while (now < 5 * 86400) {
    const std::int64_t next = next_try(0, now, 400);
    CHECK(next > now);
    now = next;
    ++tries;
  }
  CHECK(tries == 33);
}

void a_silent_destination_rests() {
  Backoff backoff;
  CHECK(!backoff.down(0) && !backoff.doubtful());
  backoff.failed(1000);
  CHECK(backoff.down(1059) && !backoff.down(1060) && backoff.doubtful());
  backoff.failed(1060);
  CHECK(backoff.until() == 1180);
  for (int i = 0; i < 100; ++i) backoff.failed(2000);
  CHECK(backoff.until() == 5600);
  backoff.worked();
  CHECK(!backoff.down(2000) && !backoff.doubtful());
}

void routes_go_by_domain() {
  const auto routes = Routes::parse(
      "# where mail goes\n"
      "Example.test  127.0.0.1:2525 # the old server\n"
      "\n"
      "* unix:/run/lmtp\r\n");
  CHECK(routes.has_value());
  CHECK(routes->find("EXAMPLE.test") == "127.0.0.1:2525");
  CHECK(routes->find("other.test") == "unix:/run/lmtp");
  CHECK(!Routes::parse("")->find("a.test"));
  for (const char *bad :
       {"a.test", "a.test b c", "a.test a:0", "-a.test b", "a.test b\na.test c"}) {
    const auto wrong = Routes::parse(std::string("\n") + bad);
    CHECK(!wrong && !wrong.error().temporary);
    CHECK(wrong.error().what.starts_with("line "));
  }
  CHECK(Routes::read("/nonexistent", true));
  CHECK(Routes::read("/nonexistent", false).error().temporary);
}

// A directory of aliases and lists; every other address is an account, but
// "gone" cannot be looked up.
struct FakeDirectory {
  std::map<std::string, std::vector<std::string>> aliases;
  std::map<std::string, std::string> lists;  // address to member file's text

  Lookups lookups() const {
    return {[this](std::string_view text) -> Result<Recipient> {
              Recipient recipient;
              recipient.address = text;
              recipient.kind = RecipientKind::account;
              if (recipient.address == "gone@x.test") return temporary_error("gone");
              if (recipient.address.find("-owner") != std::string::npos &&
                  !aliases.contains(recipient.address)) {
                recipient.kind = RecipientKind::unknown;
              }
              if (const auto alias = aliases.find(recipient.address);
                  alias != aliases.end()) {
                recipient.kind = RecipientKind::alias;
                recipient.targets = alias->second;
              }
              if (lists.contains(recipient.address)) {
                recipient.kind = RecipientKind::list;
                recipient.targets = {recipient.address};
              }
              return recipient;
            },
            [this](const std::string &path) -> Result<std::string> {
              const auto list = lists.find(path);
              if (list->second == "unreadable") return temporary_error("unreadable");
              return list->second;
            }};
  }

  Result<Expansion> expansion(const std::string &address,
                              std::string_view sender = "s@a.test") const {
    const Lookups own = lookups();
    return expand(*own.find(address), address, sender, own);
  }
};

using Names = std::vector<std::string>;

void aliases_lead_to_mailboxes() {
  const FakeDirectory directory{
      .aliases = {{"a@x.test", {"b@x.test", "c@X.TEST", "c@x.test", "u@y.test"}},
                  {"b@x.test", {"d@x.test", "a@x.test"}},
                  {"loop@x.test", {"pool@x.test"}},
                  {"pool@x.test", {"loop@x.test"}},
                  {"bad@x.test", {"gone@x.test"}}},
      .lists = {}};
  const auto all = directory.expansion("a@x.test");
  CHECK(all && all->recipients == (Names{"d@x.test", "c@X.TEST", "u@y.test"}));
  CHECK(all->lists.empty());
  const auto loop = directory.expansion("loop@x.test");
  CHECK(!loop && !loop.error().temporary);
  CHECK(directory.expansion("bad@x.test").error().temporary);
}

void aliases_have_a_bottom() {
  FakeDirectory directory;
  for (int i = 0; i < 30; ++i) {
    directory.aliases["a" + std::to_string(i) + "@x.test"] = {
        "a" + std::to_string(i + 1) + "@x.test"};
  }
  CHECK(directory.expansion("a0@x.test").error().temporary);
  CHECK(directory.expansion("a11@x.test")->recipients == Names{"a30@x.test"});
}

void lists_are_messages_of_their_own() {
  const FakeDirectory directory{
      .aliases = {{"one-owner@x.test", {"boss@x.test"}},
                  {"both@x.test", {"one@x.test", "z@x.test"}}},
      .lists = {
          {"one@x.test", "# members\na@x.test\n&b@x.test\n<c@y.test>\ntwo@x.test\nbad\n"},
          {"two@x.test", "a@x.test\nd@x.test\none@x.test\r\n"},
          {"empty@x.test", "\n"},
          {"lost@x.test", "unreadable"},
          {"three@x.test", "lost@x.test\ne@x.test\n"}}};
  const auto one = directory.expansion("one@x.test");
  CHECK(one && one->recipients.empty() && one->lists.size() == 2 && one->bad_lines == 1);
  CHECK(one->lists[0].sender == "one-owner@x.test");
  CHECK(one->lists[0].recipients == (Names{"a@x.test", "b@x.test", "c@y.test"}));
  // No two-owner: the sender stays whoever sent to two, and that is one.
  CHECK(one->lists[1].sender == "one-owner@x.test");
  CHECK(one->lists[1].recipients == Names{"d@x.test"});

  const auto two = directory.expansion("two@x.test");
  CHECK(two->lists[0].sender == "s@a.test");
  const auto null = directory.expansion("one@x.test", "");
  CHECK(null->lists[0].sender.empty());
  const auto both = directory.expansion("both@x.test");
  CHECK(both->recipients == Names{"z@x.test"} && both->lists.size() == 2);
  CHECK(directory.expansion("empty@x.test")->lists.empty());
  CHECK(directory.expansion("lost@x.test").error().temporary);
  CHECK(directory.expansion("three@x.test")->lists[0].recipients ==
        (Names{"lost@x.test", "e@x.test"}));
}

void a_list_has_a_bound() {
  std::string members;
  for (int i = 0; i < 1000; ++i) members += "m" + std::to_string(i) + "@x.test\n";
  FakeDirectory directory{.aliases = {}, .lists = {{"l@x.test", members}}};
  CHECK(directory.expansion("l@x.test")->lists[0].recipients.size() == 1000);
  for (std::size_t i = 1000; i <= max_expansion; ++i) {
    members += "m" + std::to_string(i) + "@x.test\n";
  }
  directory.lists["l@x.test"] = members;
  CHECK(directory.expansion("l@x.test").error().temporary);
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

void a_report_tells_persons_and_programs() {
  Bounce bounce{.server = "mx.test",
                .sender = "s@a.test",
                .id = "abc",
                .to = "s@a.test",
                .boundary = "f00",
                .arrival = 1000000000,
                .now = 1000000060,
                .recipients = {{"u@b.test", "alias@x.test",
                                "5.1.1 h:25 said: 550 5.1.1 no such user"},
                               {"\xc3\xa4@x.test", "", "5.4.4 no route"}},
                .header = "Subject: hello\nFrom: s@a.test\n"};
  const std::string text = bounce_message(bounce);
  CHECK(text.starts_with("Date: Sun, 09 Sep 2001 01:47:40 +0000\n"));
  CHECK(contains(text, "\nTo: <s@a.test>\n"));
  CHECK(contains(text, "\nAuto-Submitted: auto-replied\n"));
  CHECK(contains(text, "report-type=delivery-status;\n boundary=\"=_f00\"\n"));
  CHECK(contains(text, "  <u@b.test>, for <alias@x.test>\n    5.1.1 h:25 said: 550"));
  CHECK(contains(text, "\nReporting-MTA: dns; mx.test\n"));
  CHECK(contains(text,
                 "\nOriginal-Recipient: rfc822; alias@x.test\n"
                 "Final-Recipient: rfc822; u@b.test\nAction: failed\nStatus: 5.1.1\n"
                 "Diagnostic-Code: smtp; 550 5.1.1 no such user\n"));
  CHECK(contains(text, "\nFinal-Recipient: utf-8; \\x{E4}@x.test\n"));
  CHECK(contains(text, "\nDiagnostic-Code: x-moat; 5.4.4 no route\n"));
  CHECK(text.ends_with("Subject: hello\nFrom: s@a.test\n\n--=_f00--\n"));
}

void nothing_in_a_report_is_more_than_a_value() {
  Bounce bounce{.server = "mx.test",
                .sender = "s@a.test",
                .id = "abc",
                .to = "s\nBcc: x@y.test",
                .boundary = "f00",
                .recipients = {{"u\n\n--=_f00@b.test", "", "5.0.0 a\nb"}},
                .header = ""};
  const std::string text = bounce_message(bounce);
  CHECK(!contains(text, "\nBcc:"));
  CHECK(!contains(text, "\n--=_f00@"));
  CHECK(!contains(text, "a\nb"));
  bounce.recipients.assign(2500, {"u@b.test", "", "5.1.1 no"});
  CHECK(contains(bounce_message(bounce), "and 1500 more\n"));
}

void a_header_ends_where_it_ends() {
  CHECK(header_of("A: b\nC: d\n\nbody\n") == "A: b\nC: d\n");
  CHECK(header_of("A: b\r\n\r\nbody\n") == "A: b\r\n");
  CHECK(header_of("\nbody").empty());
  CHECK(header_of("A: b\nhalf a l") == "A: b\n");
  CHECK(header_of(std::string(100000, 'x') + "\n").empty());
}

}  // namespace

int main() {
  tries_lie_further_and_further_apart();
  a_silent_destination_rests();
  routes_go_by_domain();
  aliases_lead_to_mailboxes();
  aliases_have_a_bottom();
  lists_are_messages_of_their_own();
  a_list_has_a_bound();
  a_report_tells_persons_and_programs();
  nothing_in_a_report_is_more_than_a_value();
  a_header_ends_where_it_ends();
  return test::done();
}
