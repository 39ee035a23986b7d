#include "libcommon/net/proxy_header.h"

#include "tests/unit/check.h"

using namespace moat;
using namespace std::string_literals;

namespace {

using State = ProxyParser::State;

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string v2(char command, char family, const std::string &body) {
  std::string text = signature + command + family;
  text += static_cast<char>(body.size() >> 8U);
  text += static_cast<char>(body.size() & 0xffU);
  return text + body;
}

const std::string v4_body = "\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x00\x19"s;

std::string tlv(char type, const std::string &value) {
  return std::string{type, static_cast<char>(value.size() >> 8U),
                     static_cast<char>(value.size() & 0xffU)} +
         value;
}

// Feeds it whole, with something behind it that is not the header's.
ProxyParser fed(const std::string &header) {
  ProxyParser parser;
  const std::string octets = header + "EHLO x\r\n";
  const std::size_t used = parser.feed(octets);
  if (parser.state() == State::complete) CHECK(used == header.size());
  return parser;
}

State state_of(const std::string &header) { return fed(header).state(); }

void version_1() {
  const auto parser = fed("PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n");
  CHECK(parser.state() == State::complete);
  CHECK(!parser.header().local);
  CHECK(parser.header().source.text() == "192.0.2.1");
  CHECK(parser.header().destination.text() == "198.51.100.1");
  CHECK(parser.header().source_port == 56324);
  CHECK(parser.header().destination_port == 25);
  CHECK(fed("PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n").header().source.text() ==
        "2001:db8::1");
  CHECK(fed("PROXY UNKNOWN\r\n").header().local);
  CHECK(fed("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n").header().local);
}

void version_2() {
  const auto parser = fed(v2(0x21, 0x11, v4_body));
  CHECK(parser.state() == State::complete);
  CHECK(parser.header().source.text() == "192.0.2.1");
  CHECK(parser.header().destination.text() == "198.51.100.1");
  CHECK(parser.header().source_port == 56324);
  CHECK(parser.header().destination_port == 25);
  CHECK(!parser.header().tls);

  const std::string six(15, '\0');
  const auto v6 = fed(v2(0x21, 0x21, six + "\x01" + six + "\x02" + "\x00\x07\x00\x19"s));
  CHECK(v6.header().source.text() == "::1");
  CHECK(v6.header().source_port == 7);

  CHECK(fed(v2(0x20, 0x00, "")).header().local);
  CHECK(fed(v2(0x20, 0x11, v4_body)).header().local);
}

void tls_of_version_2() {
  const std::string inner = "\x01\x00\x00\x00\x00"s + tlv(0x21, "TLSv1.3") +
                            tlv(0x22, "name") + tlv(0x23, "TLS_AES_256_GCM_SHA384");
  const auto parser = fed(v2(0x21, 0x11, v4_body + tlv(0x04, "noop") + tlv(0x20, inner)));
  CHECK(parser.header().tls);
  CHECK(parser.header().protocol == "TLSv1.3");
  CHECK(parser.header().cipher == "TLS_AES_256_GCM_SHA384");
  // What would forge a header field or a variable is dropped.
  const std::string odd = "\x01\x00\x00\x00\x00"s + tlv(0x21, "TLS\r\nX: y");
  CHECK(fed(v2(0x21, 0x11, v4_body + tlv(0x20, odd))).header().protocol.empty());
}

void refuses_anything_else() {
  for (const auto *line :
       {"EHLO x\r\n", "PROXY\r\n", "PROXYTCP4 \r\n", "PROXY TCP4 192.0.2.1\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 25 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 056324 25\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 -1 25\r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.1 1 25\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 25\r\n", "PROXY TCP9 ::1 ::2 1 25\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 1 25\n", "\n", "\r\n\r\nx"}) {
    CHECK(state_of(line) == State::bad);
  }
  CHECK(state_of(v2(0x22, 0x11, v4_body)) == State::bad);  // no such command
  CHECK(state_of(v2(0x11, 0x11, v4_body)) == State::bad);  // nor version
  CHECK(state_of(v2(0x21, 0x12, v4_body)) == State::bad);  // UDP
  CHECK(state_of(v2(0x21, 0x00, "")) == State::bad);       // no address
  CHECK(state_of(v2(0x21, 0x11, v4_body.substr(1))) == State::bad);
  CHECK(state_of(v2(0x21, 0x11, v4_body + "\x04\x00"s)) == State::bad);
  CHECK(state_of(v2(0x21, 0x11, v4_body + tlv(0x20, "\x01"))) == State::bad);
}

void is_bounded() {
  CHECK(state_of("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n") == State::complete);
  CHECK(state_of("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n") == State::bad);
  const std::string filler(536 - 16 - v4_body.size() - 3, 'x');
  CHECK(state_of(v2(0x21, 0x11, v4_body + tlv(0x04, filler))) == State::complete);
  CHECK(state_of(v2(0x21, 0x11, v4_body + tlv(0x04, filler + "x"))) == State::bad);
}

void comes_in_any_pieces() {
  for (const std::string &header :
       {"PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\n"s, v2(0x21, 0x11, v4_body)}) {
    ProxyParser parser;
    for (const char c : header) {
      CHECK(parser.state() == State::more);
      CHECK(parser.feed({&c, 1}) == 1);
    }
    CHECK(parser.state() == State::complete);
    CHECK(parser.feed("x") == 0);
    CHECK(parser.header().source.text() == "192.0.2.1");
  }
}

}  // namespace

int main() {
  version_1();
  version_2();
  tls_of_version_2();
  refuses_anything_else();
  is_bounded();
  comes_in_any_pieces();
  return test::done();
}
