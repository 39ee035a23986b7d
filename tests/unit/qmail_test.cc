// A qmail installation's texts as entries.

#include "cmd/userctl/qmail.h"

#include <algorithm>
#include <string>

#include "tests/unit/check.h"

using namespace moat;

namespace {

const Places places{"/e", "/d", "/s", "/r", "/m"};

QmailUser alias() {
  QmailUser user;
  user.uid = 70;
  user.gid = 71;
  user.home = "/q/alias";
  user.dash = "-";
  return user;
}

// Everything imported as the lines of an export, then what was left out as
// "-FILE:LINE REASON"; or "!" and the error.
std::string lines_of(const QmailTexts &texts, const QmailTexts &dots) {
  const auto control = parse_qmail(texts, alias());
  if (!control) return "!" + control.error().what;
  std::vector<LeftOut> left_out;
  auto text = import_of_qmail(*control, dots, places, left_out);
  if (!text) return "!" + text.error().what;
  const auto whole = check_whole(*text);
  if (!whole) return "!" + whole.error().what;
  std::string lines;
  for (const Domain &domain : text->domains) lines += export_line(domain, places) + "\n";
  for (const DirectoryEntry &entry : text->entries) {
    lines += export_line(entry, places) + "\n";
  }
  for (const LeftOut &left : left_out) {
    lines += "-" + left.file + ":" + std::to_string(left.line) + " " + left.reason + "\n";
  }
  return lines;
}

bool is(const std::string &got, const std::string &wanted) {
  if (got != wanted) std::printf("# got:\n%s", got.c_str());
  return got == wanted;
}

void test_domains() {
  CHECK(is(lines_of({{"control/me", "Mail.Test\n"}}, {}), "domain mail.test\n"));
  CHECK(is(lines_of({{"control/me", "mail.test\n"}, {"control/locals", "# none\n"}}, {}),
           ""));
  const QmailTexts relay{
      {"control/locals", "a.test  \n\n"},
      {"control/rcpthosts", "a.test\nin.test\n.wide.test\nmx.test\n"},
      {"control/morercpthosts", "x.sub.test\n"},
      {"control/smtproutes", "in.test:192.0.2.7:26\n.sub.test:relay\n"}};
  CHECK(is(lines_of(relay, {}),
           "domain a.test\n"
           "domain in.test --recipients any --route 192.0.2.7:26\n"
           "domain x.sub.test --recipients any --route relay\n"
           "-control/rcpthosts:0 stands for no one domain: .wide.test\n"
           "-control/rcpthosts:0 has no route in control/smtproutes: mx.test\n"));
  CHECK(
      is(lines_of({{"control/rcpthosts", "a.test\n"}, {"control/smtproutes", ":r:25\n"}},
                  {}),
         "domain a.test --recipients any --route r:25\n"));
  CHECK(is(lines_of({{"control/rcpthosts", "a.test\n"},
                     {"control/smtproutes", "a.test:\n:r:25\n"}},
                    {}),
           "-control/rcpthosts:0 has no route in control/smtproutes: a.test\n"));
}

void test_virtual_domains() {
  const QmailTexts texts{{"control/locals", "a.test\n"},
                         {"control/virtualdomains",
                          "v.test:V\na.test:never\nout.test:\n.w.test:v\n:all\n"
                          "bo@v.test:own\nno@v.test:none\nbo@elsewhere.test:own\n"}};
  const QmailTexts dots{{"/q/alias/.qmail-v-info", "&x@y.test\n"},
                        {"/q/alias/.qmail-v-default", "z@y.test\n"},
                        {"/q/alias/.qmail-v-bo", "wrong@y.test\n"},
                        {"/q/alias/.qmail-own-bo", "bo@y.test\n"}};
  const std::string got = lines_of(texts, dots);
  CHECK(got.find("domain v.test --catch-all default@v.test\n") != std::string::npos);
  CHECK(got.find("alias info@v.test x@y.test\n") != std::string::npos);
  CHECK(got.find("alias default@v.test z@y.test\n") != std::string::npos);
  CHECK(got.find("alias bo@v.test bo@y.test\n") != std::string::npos);
  CHECK(got.find("alias v-info@a.test x@y.test\n") != std::string::npos);
  CHECK(got.find("wrong@y.test\n") == got.rfind("wrong@y.test\n"));  // as v-bo@a.test
  CHECK(got.find("out.test") == std::string::npos);
  CHECK(got.find("never") == std::string::npos);
  CHECK(got.find("nobody is there for no@v.test\n") != std::string::npos);
  CHECK(got.find("no one domain: .w.test\n") != std::string::npos);
  CHECK(got.find("no one domain: bo@elsewhere.test\n") != std::string::npos);
  CHECK(got.find("v-default@") == std::string::npos);
}

void test_users() {
  const QmailTexts texts{{"control/locals", "a.test\n"},
                         {"users/assign",
                          "=Anna:anna:1000:1001:/home/anna:::\n"
                          "=anna:other:7:7:/other:::\n"
                          "+anna-:anna:1000:1001:/home/anna:-::\n"
                          "=root:root:0:0:/root:::\n"
                          "=gone:gone:5:5:/home/gone:-:gone:\n"
                          "+:alias:70:71:/q/alias:-::\n"
                          ".\nwhatever follows\n"}};
  const QmailTexts dots{{"/home/anna/.qmail-news", "./news/\n"},
                        {"/home/anna/.qmail-default", "./rest/\n"},
                        {"/q/alias/.qmail-anna", "&shadowed@y.test\n"},
                        {"/q/alias/.qmail-anna-x", "&shadowed@y.test\n"},
                        {"/q/alias/.qmail-john:doe", "&J@Y.test  \n"},
                        {"/q/alias/.qmail-UPPER", "&never@y.test\n"}};
  CHECK(is(lines_of(texts, dots),
           "domain a.test\n"
           "user anna-news@a.test --maildir /home/anna/news --owner 1000:1001\n"
           "user anna@a.test --maildir /home/anna/Maildir --owner 1000:1001\n"
           "alias john.doe@a.test J@y.test\n"
           "-users/assign:5 there is no /home/gone/.qmail-gone\n"
           "-users/assign:4 nothing is delivered as root\n"
           "-/home/anna/.qmail-default:0 only a whole domain has a default: "
           "anna-default@a.test\n"));
}

void test_instructions() {
  const auto one = [](const std::string &dot) {
    return lines_of({{"control/me", "a.test\n"}, {"control/defaultdelivery", "/d/x/\n"}},
                    {{"/q/alias/.qmail-n", dot}});
  };
  const std::string file = "-/q/alias/.qmail-n:";
  CHECK(is(one("&a@b.test\n# no\nc\n+list\n"),
           "domain a.test\nalias n@a.test a@b.test c@a.test\n"));
  CHECK(is(one(""), "domain a.test\nuser n@a.test --maildir /d/x --owner 70:71\n"));
  CHECK(is(one("|prog\n./M/\n"),
           "domain a.test\nuser n@a.test --maildir /q/alias/M --owner 70:71\n" + file +
               "1 a program is not run here\n"));
  CHECK(is(one("|prog\n"), "domain a.test\n" + file + "1 a program is not run here\n" +
                               file + "0 no Maildir and no address is left in it\n"));
  CHECK(is(one("/M/\n&a@b.test\n"),
           "domain a.test\nuser n@a.test --maildir /M --owner 70:71\n" + file +
               "0 has a Maildir, and so its addresses get no copies\n"));
  CHECK(is(one("./mbox\n&a@b.test\n/M/\n/N/"),
           "domain a.test\nuser n@a.test --maildir /M --owner 70:71\n" + file +
               "1 mail goes to Maildirs, not to one file\n" + file +
               "4 a second Maildir\n" + file +
               "0 has a Maildir, and so its addresses get no copies\n"));
  CHECK(
      is(one("./\n"), "domain a.test\nuser n@a.test --maildir /q/alias --owner 70:71\n"));
  CHECK(is(one(".x/.y//\n"),
           "domain a.test\nuser n@a.test --maildir /q/alias/.x/.y --owner 70:71\n"));
  CHECK(is(one("&@\n&a@b.test\n"),
           "domain a.test\nalias n@a.test a@b.test\n" + file + "1 not an address\n"));
}

void test_mistakes() {
  const auto one = [](const std::string &name, const std::string &text) {
    return lines_of({{name, text}}, {});
  };
  CHECK(is(one("control/locals", "a.test\n# x\na b\n"),
           "!control/locals: line 3: not a domain name: a b"));
  CHECK(is(one("control/locals", ".a.test\n"),
           "!control/locals: line 1: not a domain name: .a.test"));
  CHECK(is(one("control/virtualdomains", "a.test\n"),
           "!control/virtualdomains: line 1: takes DOMAIN:PREPEND"));
  CHECK(is(one("control/smtproutes", "a.test:x:0\n"),
           "!control/smtproutes: line 1: --route takes HOST, HOST:PORT or unix:PATH, not "
           "\"x:0\""));
  CHECK(is(one("users/assign", "=a:a:1:1:/h:::\n"),
           "!users/assign: line 2: the line with a dot that ends it is missing"));
  CHECK(is(one("users/assign", "=a:a:x:1:/h:::\n.\n"),
           "!users/assign: line 1: UID and GID are numbers"));
  CHECK(is(one("users/assign", "=a:a:1:1:h:::\n.\n"),
           "!users/assign: line 1: HOME is an absolute path"));
  CHECK(is(one("users/assign", "=a:a:1:1:/h::x/y:\n.\n"),
           "!users/assign: line 1: DASH and EXT have no slash"));
  CHECK(one("users/assign", "a:a:1:1:/h:::\n.\n").starts_with("!users/assign: line 1: "));
  CHECK(one("users/assign", "=a:a:1:1:/h:\n.\n").starts_with("!users/assign: line 1: "));
}

}  // namespace

int main() {
  test_domains();
  test_virtual_domains();
  test_users();
  test_instructions();
  test_mistakes();
  return test::done();
}
