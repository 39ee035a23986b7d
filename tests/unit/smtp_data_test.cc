#include "libcommon/smtp/data.h"
#include "tests/unit/check.h"

using namespace moat;
using namespace std::literals;

namespace {

constexpr std::size_t all = std::string_view::npos;

// Decodes in pieces of `size`. Returns the message, and behind a '|' what was
// left after its end; "bad" or "more: ..." when there was none.
std::string decoded(std::string_view input, std::size_t size,
                    DataDecoder::Form form = DataDecoder::Form::dotted) {
  DataDecoder decoder(form);
  std::string output;
  while (!input.empty()) {
    std::string_view piece = input.substr(0, size);
    const std::size_t before = piece.size();
    const auto state = decoder.decode(piece, output, all);
    input.remove_prefix(before - piece.size());
    if (state == DataDecoder::State::bad) return "bad";
    if (state == DataDecoder::State::end) return output + "|" + std::string(input);
  }
  return "more: " + output;
}

// Checks the same for pieces of every size.
bool gives(std::string_view input, std::string_view expected) {
  for (std::size_t size = 1; size <= input.size(); ++size) {
    if (decoded(input, size) != expected) {
      std::printf("# in pieces of %zu: %s\n", size, decoded(input, size).c_str());
      return false;
    }
  }
  return true;
}

void ends_at_the_dot() {
  CHECK(gives("a\r\n.\r\nQUIT\r\n", "a\n|QUIT\r\n"));
  CHECK(gives(".\r\n", "|"));
  CHECK(gives("\r\n.\r\n", "\n|"));
  CHECK(gives("a\r\n", "more: a\n"));
  CHECK(gives("a\r\n.", "more: a\n"));
}

void takes_off_one_dot() {
  CHECK(gives("..\r\n.\r\n", ".\n|"));
  CHECK(gives("..a\r\n.b\r\n.\r\n", ".a\nb\n|"));
  CHECK(gives("a.\r\n.\r\n", "a.\n|"));
  CHECK(gives("...\r\n.\r\n", "..\n|"));
}

void keeps_any_octet() { CHECK(gives("\0\x01\xff\r\n.\r\n"sv, "\0\x01\xff\n|"sv)); }

void refuses_every_smuggling_form() {
  for (const auto sequence : {"\n.\n"sv, "\n.\r"sv, "\r.\n"sv, "\r.\r"sv, "\n.\r\n"sv,
                              "\r.\r\n"sv, "\r\n.\n"sv, "\r\n.\rx"sv, "\r\n.\r\r\n"sv,
                              "\r\r\n.\r\r\n"sv, "\r\n\n.\r\n"sv, "\r\n\r.\r\n"sv}) {
    for (const auto before : {"x"sv, "\r\n"sv, ""sv}) {
      const std::string input =
          std::string(before) + std::string(sequence) + "MAIL FROM:<a@b>\r\n";
      CHECK(gives(input, "bad"));
    }
  }
  CHECK(gives("x\r\n\0.\r\n.\r\n"sv, "x\n\0.\n|"sv));  // NUL in the dot line
  CHECK(gives("x\r\n.\0\r\n.\r\n"sv, "x\n\0\n|"sv));
}

void reads_chunks() {
  const auto chunked = [](std::string_view text) {
    return decoded(text, 3, DataDecoder::Form::chunked);
  };
  CHECK(chunked("a\r\n.\r\n..b\r\n") == "more: a\n.\n..b\n");
  CHECK(chunked("a\nb") == "bad");
  CHECK(chunked("a\rb") == "bad");

  DataDecoder decoder(DataDecoder::Form::chunked);
  std::string output;
  std::string_view input = "a\r\nb";
  CHECK(decoder.decode(input, output, all) == DataDecoder::State::more);
  CHECK(decoder.finish(output) && output == "a\nb\n" && decoder.size() == 6);

  DataDecoder half(DataDecoder::Form::chunked);
  input = "a\r";
  CHECK(half.decode(input, output, all) == DataDecoder::State::more);
  CHECK(!half.finish(output));
}

void counts_as_the_client_does() {
  DataDecoder decoder(DataDecoder::Form::dotted);
  std::string output;
  std::string_view input = "..ab\r\n\r\n.\r\n";
  CHECK(decoder.decode(input, output, all) == DataDecoder::State::end);
  CHECK(decoder.size() == 7);
}

void takes_no_more_than_it_may() {
  DataDecoder decoder(DataDecoder::Form::dotted);
  std::string output;
  std::string_view input = "abcdef";
  CHECK(decoder.decode(input, output, 4) == DataDecoder::State::more);
  CHECK(input == "ef" && output == "abcd");
}

}  // namespace

int main() {
  ends_at_the_dot();
  takes_off_one_dot();
  keeps_any_octet();
  refuses_every_smuggling_form();
  reads_chunks();
  counts_as_the_client_does();
  takes_no_more_than_it_may();
  return test::done();
}
