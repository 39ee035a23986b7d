#include "libcommon/base/text.h"

#include "tests/unit/check.h"

using namespace moat;

namespace {

using Words = std::vector<std::string>;

void takes_lines() {
  std::string_view text = "one\n\nthree";
  CHECK(take_line(text) == "one");
  CHECK(take_line(text) == "");
  CHECK(take_line(text) == "three");
  CHECK(text.empty());
  CHECK(take_line(text) == "");
}

void takes_words() {
  std::string_view text = "  two\twords \r";
  CHECK(take_word(text) == "two");
  CHECK(take_word(text) == "words");
  CHECK(text.empty());
  CHECK(take_word(text) == "");
}

void takes_until_a_separator() {
  std::string_view text = "a::b";
  CHECK(take_until(text, ':') == "a");
  CHECK(take_until(text, ':') == "");
  CHECK(take_until(text, ':') == "b");
  CHECK(take_until(text, ':') == "");
}

void trims() {
  CHECK(trim(" \ta b\r ") == "a b");
  CHECK(trim("ab") == "ab");
  CHECK(trim(" \t\r") == "");
  CHECK(trim("") == "");
}

void reads_numbers_and_nothing_else() {
  CHECK(parse_number("0", 0, 9) == 0U);
  CHECK(parse_number("100", 1, 100) == 100U);
  CHECK(parse_number("18446744073709551615", 0, UINT64_MAX) == UINT64_MAX);
  CHECK(!parse_number("18446744073709551616", 0, UINT64_MAX));
  for (const char *text : {"", "-1", "+1", " 1", "1 ", "1k", "0x1", "101"}) {
    CHECK(!parse_number(text, 0, 100));
  }
  CHECK(!parse_number("0", 1, 9));
}

void knows_case_of_ascii_alone() {
  CHECK(to_lower("MX.Example\xC3\x84@[`{") == "mx.example\xC3\x84@[`{");
  CHECK(equal_nocase("Quit", "qUIT"));
  CHECK(!equal_nocase("quit", "quits"));
  CHECK(!equal_nocase("@", "`"));  // differ in the same bit as a and A
  CHECK(starts_with_nocase("mail from:<>", "MAIL FROM:"));
  CHECK(!starts_with_nocase("MAIL", "MAIL FROM:"));
}

void writes_and_reads_hexadecimal() {
  using namespace std::literals;
  CHECK(to_hex("\x00\x7f\xff"sv) == "007fff");
  CHECK(from_hex("007FfF") == "\x00\x7f\xff"s);
  CHECK(from_hex("") == "");
  CHECK(!from_hex("0"));
  CHECK(!from_hex("0g"));
  CHECK(!from_hex("-1"));
}

void splits_commands() {
  CHECK(split_command("a  b\tc\n") == (Words{"a", "b", "c"}));
  CHECK(split_command("") == Words{});
  CHECK(split_command("''") == Words{""});
  CHECK(split_command("'a b'\"c d\"e") == Words{"a bc de"});
  CHECK(split_command(R"(a\ b "\"\\" '\')") == (Words{"a b", "\"\\", "\\"}));
  CHECK(split_command("$HOME `id` *;|&") == (Words{"$HOME", "`id`", "*;|&"}));
  for (const char *text : {"'", "\"", "a '", "\"a\\\"", "\\"}) {
    CHECK(!split_command(text));
  }
}

}  // namespace

int main() {
  takes_lines();
  takes_words();
  takes_until_a_separator();
  trims();
  reads_numbers_and_nothing_else();
  knows_case_of_ascii_alone();
  writes_and_reads_hexadecimal();
  splits_commands();
  return test::done();
}
