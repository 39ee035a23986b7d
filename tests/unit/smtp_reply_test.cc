#include "libcommon/smtp/reply.h"
#include "tests/unit/check.h"

using namespace moat;

namespace {

std::string round_trip(std::string_view text) { return parse_reply(text).render(); }

void writes_lines() {
  CHECK(Reply{250, "2.0.0", "ok"}.render() == "250 2.0.0 ok\r\n");
  CHECK(Reply{220, "", "mx ESMTP"}.render() == "220 mx ESMTP\r\n");
  CHECK(Reply{250, "", "mx\nSIZE 1\nX"}.render() == "250-mx\r\n250-SIZE 1\r\n250 X\r\n");
  CHECK(Reply{550, "5.1.1", ""}.render() == "550 5.1.1\r\n");
}

void lets_no_line_be_forged() {
  CHECK(Reply{550, "5.7.1", "a\r250 ok\x7f\t\x01"}.render() ==
        "550 5.7.1 a?250 ok???\r\n");
  CHECK((Reply{550, "5.7.1", std::string(2000, 'x')}.render().size()) == 512);
}

void reads_what_others_say() {
  CHECK(round_trip("550 5.7.1 no") == "550 5.7.1 no\r\n");
  CHECK(round_trip("550 no") == "550 5.0.0 no\r\n");
  CHECK(round_trip("451 5.7.1 no") == "451 4.0.0 5.7.1 no\r\n");
  CHECK(round_trip("250 2.0.0") == "250 2.0.0\r\n");
  CHECK(round_trip("354 go") == "354 go\r\n");
  for (const char *text : {"", "no", "99 a", "700 a", "5500 a"}) {
    CHECK(parse_reply(text).code == 451 && parse_reply(text).status == "4.3.0");
  }
}

}  // namespace

int main() {
  writes_lines();
  lets_no_line_be_forged();
  reads_what_others_say();
  return test::done();
}
