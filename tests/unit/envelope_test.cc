// The envelope, as it comes and as it goes.

#include "libcommon/queue/envelope.h"

#include "tests/unit/check.h"

using namespace moat;
using namespace std::string_literals;
using State = EnvelopeReader::State;

namespace {

constexpr std::string_view good("Fa@b\0Tc@d\0Te@f\0\0", 16);

std::string with_address(std::size_t size) {
  return "F\0T"s + std::string(size, 'x') + "\0\0"s;
}

int code_of(std::string_view text, std::size_t max_recipients = 10) {
  EnvelopeReader reader(max_recipients);
  reader.take(text);
  return reader.code();
}

void reads_an_envelope_in_pieces_of_any_size() {
  for (std::size_t size = 1; size <= good.size(); ++size) {
    EnvelopeReader reader(10);
    State state = State::more;
    for (std::size_t at = 0; at < good.size(); at += size) {
      CHECK(state == State::more);
      state = reader.take(good.substr(at, size));
    }
    CHECK(state == State::complete);
    CHECK(reader.code() == 0);
    CHECK(reader.envelope().sender == "a@b");
    CHECK((reader.envelope().recipients == std::vector<std::string>{"c@d", "e@f"}));
  }
}

void an_envelope_cut_short_at_any_octet_is_91() {
  for (std::size_t size = 0; size < good.size(); ++size) {
    CHECK(code_of(good.substr(0, size)) == queue_bad_envelope);
    CHECK(!parse_envelope(good.substr(0, size), 10));
  }
}

void every_wrong_octet_where_a_mark_must_stand_is_91() {
  for (int octet = 0; octet < 256; ++octet) {
    const std::string mark(1, static_cast<char>(octet));
    if (octet != 'F') CHECK(code_of(mark + "a@b\0Tc@d\0\0"s) == queue_bad_envelope);
    if (octet != 'T') {
      CHECK(code_of("Fa@b\0"s + mark + "c@d\0\0"s) == queue_bad_envelope);
    }
  }
}

void an_envelope_without_recipients_is_91() {
  CHECK(code_of("Fa@b\0\0"s) == queue_bad_envelope);
  CHECK(code_of("F\0T\0\0"s) == 0);  // whatever an empty recipient is, it is one
}

void the_null_sender_is_a_sender() {
  EnvelopeReader reader(10);
  CHECK(reader.take("F\0Tc@d\0\0"s) == State::complete);
  CHECK(reader.envelope().sender.empty());
}

void too_long_an_address_is_11() {
  CHECK(code_of(with_address(max_queue_address)) == 0);
  CHECK(code_of(with_address(max_queue_address + 1)) == queue_address_too_long);
  CHECK(code_of("F"s + std::string(max_queue_address + 1, 's')) ==
        queue_address_too_long);
}

void too_many_recipients_are_31() {
  CHECK(code_of(good, 2) == 0);
  CHECK(code_of(good, 1) == queue_refused);
}

void what_stands_behind_the_end_is_not_read() {
  EnvelopeReader reader(10);
  CHECK(reader.take(std::string(good) + "more") == State::complete);
  CHECK(!reader.used_all());
  CHECK(reader.take("still more") == State::complete);
  CHECK(reader.envelope().recipients.size() == 2);
  CHECK(!parse_envelope(std::string(good) + "more", 10));
}

void a_wrong_envelope_stays_wrong() {
  EnvelopeReader reader(10);
  CHECK(reader.take("X") == State::wrong);
  CHECK(reader.take(good) == State::wrong);
  CHECK(reader.code() == queue_bad_envelope);
}

void writes_what_it_reads() {
  const auto envelope = parse_envelope(good, 10);
  CHECK(envelope);
  CHECK(envelope_text(*envelope) == good);
}

}  // namespace

int main() {
  reads_an_envelope_in_pieces_of_any_size();
  an_envelope_cut_short_at_any_octet_is_91();
  every_wrong_octet_where_a_mark_must_stand_is_91();
  an_envelope_without_recipients_is_91();
  the_null_sender_is_a_sender();
  too_long_an_address_is_11();
  too_many_recipients_are_31();
  what_stands_behind_the_end_is_not_read();
  a_wrong_envelope_stays_wrong();
  writes_what_it_reads();
  return test::done();
}
