// What an SMTP client hears of each exit code (interfaces.md, section 4).

#include <set>

#include "libcommon/queue/submit.h"
#include "tests/unit/check.h"

using namespace moat;

namespace {

std::string status(int code, const std::string &text = "") {
  const std::string reply = queue_reply({code, text});
  return reply.substr(0, reply.find(' ', 4));
}

void each_code_of_the_table_has_its_reply() {
  CHECK(status(0) == "250 2.0.0");
  CHECK(status(11) == "554 5.1.3");
  CHECK(status(115) == "554 5.1.3");
  CHECK(status(31) == "554 5.7.1");
  for (const int code :
       {51, 52, 53, 54, 55, 56, 57, 61, 62, 63, 64, 65, 66, 81, 120, 91}) {
    CHECK(status(code) == "451 4.3.0");
  }
  for (const int code : {71, 72, 73, 74}) CHECK(status(code) == "451 4.7.1");
}

void every_other_code_is_permanent_from_12_to_40_only() {
  const std::set<int> listed{0,  11, 31, 51, 52, 53, 54, 55, 56, 57, 61, 62,  63,
                             64, 65, 66, 71, 72, 73, 74, 81, 82, 88, 91, 115, 120};
  for (int code = -1; code < 256; ++code) {
    if (listed.contains(code)) continue;
    const bool permanent = code >= 12 && code <= 40;
    CHECK(status(code) == (permanent ? "554 5.3.0" : "451 4.3.0"));
  }
}

void a_text_comes_with_82_and_88_only() {
  for (const int code : {82, 88}) {
    CHECK(queue_reply({code, "Dno thanks"}) == "554 5.7.1 no thanks");
    CHECK(queue_reply({code, "Znot now"}) == "451 4.7.1 not now");
    CHECK(status(code) == "451 4.3.0");
    CHECK(status(code, "D") == "451 4.3.0");
    CHECK(status(code, "no letter") == "451 4.3.0");
  }
  CHECK(queue_reply({31, "Dno thanks"}).find("thanks") == std::string::npos);
}

void a_text_keeps_a_status_code_of_its_own_class() {
  CHECK(queue_reply({82, "D5.7.0 virus"}) == "554 5.7.0 virus");
  CHECK(queue_reply({82, "Z4.3.2 closed"}) == "451 4.3.2 closed");
  CHECK(queue_reply({82, "D4.3.2 closed"}) == "554 5.7.1 4.3.2 closed");
  CHECK(queue_reply({82, "D5.7 virus"}) == "554 5.7.1 5.7 virus");
  CHECK(queue_reply({82, "D5.7.1"}) == "554 5.7.1 5.7.1");
}

void a_text_cannot_begin_a_line_of_its_own() {
  CHECK(queue_reply({82, "Done\r\n250 ok\r\n"}) == "554 5.7.1 one??250 ok");
  CHECK(queue_reply({82, std::string("D\0\x80", 3)}) == "554 5.7.1 ??");
  CHECK(queue_reply({82, "D" + std::string(1000, 'x')}).size() <= 270);
}

}  // namespace

int main() {
  each_code_of_the_table_has_its_reply();
  every_other_code_is_permanent_from_12_to_40_only();
  a_text_comes_with_82_and_88_only();
  a_text_keeps_a_status_code_of_its_own_class();
  a_text_cannot_begin_a_line_of_its_own();
  return test::done();
}
