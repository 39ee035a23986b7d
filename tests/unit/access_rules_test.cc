#include "libcommon/net/access_rules.h"

#include "tests/unit/check.h"

using namespace moat;

namespace {

// Returns the line that an address meets in a table, "none", or what is wrong.
std::string met(std::string_view table, std::string_view address) {
  auto compiled = AccessRules::compile(table);
  if (!compiled) return compiled.error().what;
  const auto rules = AccessRules::load(std::move(*compiled));
  if (!rules) return rules.error().what;
  const auto rule = rules->match(IpAddress::parse(address).value());
  if (!rule) return rule.error().what;
  return *rule ? (*rule)->text : "none";
}

std::string met_name(std::string_view table, std::optional<std::string_view> name) {
  const auto rules = AccessRules::load(*AccessRules::compile(table));
  const auto rule = rules->match_name(name);
  return *rule ? (*rule)->text : "none";
}

std::string wrong(std::string_view table) {
  const auto compiled = AccessRules::compile(table);
  return compiled ? "" : compiled.error().what;
}

void the_longest_match_wins() {
  static constexpr std::string_view table =
      "# a comment\n"
      ":deny\n"
      "10.:allow\n"
      "10.1.0.0/16:deny\n"
      "10.1.2.:allow\n"
      "10.1.2.3:deny,A=\"x\"\n"
      "2001:db8::/32:allow\n"
      "[2001:db8::1]:deny\n";
  CHECK(met(table, "10.1.2.3") == "10.1.2.3:deny,A=\"x\"");
  CHECK(met(table, "10.1.2.4") == "10.1.2.:allow");
  CHECK(met(table, "10.1.3.4") == "10.1.0.0/16:deny");
  CHECK(met(table, "10.2.3.4") == "10.:allow");
  CHECK(met(table, "192.0.2.1") == ":deny");
  CHECK(met(table, "2001:db8::1") == "[2001:db8::1]:deny");
  CHECK(met(table, "2001:db8::2") == "2001:db8::/32:allow");
  CHECK(met(table, "::ffff:10.1.2.4") == "10.1.2.:allow");
  CHECK(met("10.:deny\n", "192.0.2.1") == "none");
  CHECK(met("", "192.0.2.1") == "none");
}

void ranges_are_as_in_tcprules() {
  static constexpr std::string_view table =
      "192.0.2.10-20:deny\n10.2-3.:deny\n198.51.100.5-198.51.100.9:deny\n"
      "2001:db8::a-2001:db8::1:ffff:deny\n";
  for (const auto *in : {"192.0.2.10", "192.0.2.15", "192.0.2.20", "10.2.0.0",
                         "10.3.255.255", "198.51.100.5", "198.51.100.9", "2001:db8::a",
                         "2001:db8::1:0", "2001:db8::1:ffff"}) {
    CHECK(met(table, in).ends_with(":deny"));
  }
  for (const auto *out :
       {"192.0.2.9", "192.0.2.21", "10.1.255.255", "10.4.0.0", "198.51.100.4",
        "198.51.100.10", "2001:db8::9", "2001:db8::2:0"}) {
    CHECK(met(table, out) == "none");
  }
  CHECK(met("0.0.0.0-255.255.255.255:deny", "255.255.255.255").ends_with("deny"));
  CHECK(met("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:deny", "ffff::1")
            .ends_with("deny"));
  CHECK(met("127.0.0.1-127.0.0.1:deny", "127.0.0.1").ends_with("deny"));
}

// An address of version 4 is inside ::/0 only by the way we write it down.
void the_versions_are_apart() {
  CHECK(met("::/0:deny\n", "192.0.2.1") == "none");
  CHECK(met("::/0:deny\n", "2001:db8::1") == "::/0:deny");
  CHECK(met("0.0.0.0/0:deny\n", "2001:db8::1") == "none");
  CHECK(met("0.0.0.0/0:deny\n", "192.0.2.1") == "0.0.0.0/0:deny");
}

void variables_take_any_quote() {
  auto compiled =
      AccessRules::compile("127.:allow,RELAYCLIENT=\"\",A='say \"hi\"',B=/a,b/,C=xeqx\n");
  const auto rules = AccessRules::load(std::move(*compiled));
  const auto rule = **rules->match(IpAddress::parse("127.0.0.1").value());
  CHECK(rule.allow);
  CHECK(rule.variables.size() == 4);
  CHECK(rule.variables[0].first == "RELAYCLIENT");
  CHECK(rule.variables[0].second.empty());
  CHECK(rule.variables[1].second == "say \"hi\"");
  CHECK(rule.variables[2].second == "a,b");
  CHECK(rule.variables[3].second == "eq");
}

void the_first_of_two_counts() {
  CHECK(met("127.:allow\n127.:deny\n", "127.0.0.1") == "127.:allow");
  CHECK(met(":allow\n:deny\n", "127.0.0.1") == ":allow");
}

void names_are_for_rdns() {
  static constexpr std::string_view table =
      "=Host.Example:deny\n=.example:allow\n=:deny,A=\"known\"\n:allow,A=\"unknown\"\n";
  CHECK(met_name(table, "HOST.example") == "=host.example:deny");
  CHECK(met_name(table, "a.b.example") == "=.example:allow");
  CHECK(met_name(table, "example") == "=:deny,A=\"known\"");
  CHECK(met_name(table, std::nullopt) == ":allow,A=\"unknown\"");
  const auto rules = AccessRules::load(*AccessRules::compile(table));
  CHECK(rules->has_names());
  CHECK(!rules->has_addresses());
  const auto neither = AccessRules::load(*AccessRules::compile(":deny\n"));
  CHECK(!neither->has_names() && !neither->has_addresses());
}

void an_error_names_the_line() {
  CHECK(wrong("127.:allow\n\n10.:perhaps\n") ==
        "line 3: takes ADDRESS:allow or ADDRESS:deny");
  CHECK(wrong("=a.example:allow\n10.:deny\n") ==
        "line 2: an address among names: they do not mix");
  CHECK(wrong("10.:deny\n=a.example:allow\n") ==
        "line 2: a name among addresses: they do not mix");
  CHECK(wrong("info@10.1.2.3:deny\n") == "line 1: no ident here: info@10.1.2.3");
  for (const auto *line : {"10.0.0.1/8:deny",
                           "256.:deny",
                           "10.1.2.3.:deny",
                           "10.20-10.:deny",
                           "10.1-:deny",
                           "1.2.3:deny",
                           "a:deny",
                           "10.1.2.0/33:deny",
                           "10.-20.:deny",
                           "[::1:deny",
                           "10.0.0.1-2001:db8::1:deny",
                           "127.:allow,A",
                           "127.:allow,A=\"x",
                           "127.:allow,=\"x\"",
                           "127.:allow,1A=\"x\"",
                           "127.:allow,A=\"x\"B=\"y\"",
                           "127.:allow,A=",
                           "127.:allow ",
                           "127.allow",
                           ":allow,"}) {
    const bool refused = wrong(line).starts_with("line 1: ");
    // Blanks at the ends of a line are nobody's.
    CHECK(refused != (std::string_view(line) == "127.:allow "));
  }
}

void some_variables_are_not_for_rules() {
  for (const auto *name :
       {"PATH", "LD_PRELOAD", "MOAT_DIR", "MOAT_SPOOL", "MOAT_RESOLVER", "QMAILQUEUE",
        "MOAT_VIRUSCHECK_NEXT", "MOAT_SMTPD_QUEUE", "MOAT_SMTPD_AUTH", "MOAT_TCPD_LIMIT",
        "TCPREMOTEIP", "PROTO", "MOAT_HANDOVER", "ERROR_FD", "BASH_ENV"}) {
    CHECK(!rule_may_set(name));
    CHECK(wrong(std::string("127.:allow,") + name + "=\"x\"") ==
          std::string("line 1: no access rule may set ") + name);
  }
  for (const auto *name : {"RELAYCLIENT", "RBLSMTPD", "DATABYTES", "MOAT_GREET_DELAY",
                           "MOAT_SMTPD_REQUIRE_AUTH", "MOAT_SMTPD_MAX_RECIPIENTS",
                           "MOAT_TARPIT", "MYOWN", "TCPREMOTEHOST"}) {
    CHECK(rule_may_set(name));
  }
}

void the_text_comes_back() {
  const auto rules = AccessRules::load(
      *AccessRules::compile("# gone\n  127.:allow,A=\"x\"\t\n\n10.:deny\n"));
  CHECK(rules->text() == "127.:allow,A=\"x\"\n10.:deny\n");
}

void what_is_damaged_admits_nobody() {
  const std::string good = *AccessRules::compile("127.:deny\n:allow\n");
  CHECK(!AccessRules::load(""));
  CHECK(!AccessRules::load("nonsense"));
  CHECK(!AccessRules::load(good.substr(0, good.size() - 1)));
  std::string newer = good;
  newer[7] = '2';
  CHECK(AccessRules::load(newer).error().what ==
        "access rules were compiled by a newer version");
  std::string pointing = good;
  pointing[24 + 20] = '\x7f';  // the place of the first network's line
  const auto rules = AccessRules::load(pointing);
  CHECK(!rules->match(IpAddress::parse("127.0.0.1").value()));
}

}  // namespace

int main() {
  the_longest_match_wins();
  ranges_are_as_in_tcprules();
  the_versions_are_apart();
  variables_take_any_quote();
  the_first_of_two_counts();
  names_are_for_rdns();
  an_error_names_the_line();
  some_variables_are_not_for_rules();
  the_text_comes_back();
  what_is_damaged_admits_nobody();
  return test::done();
}
