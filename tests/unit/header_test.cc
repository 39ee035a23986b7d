#include "libcommon/message/header.h"

#include "tests/unit/check.h"

using namespace moat;

namespace {

// Feeds in pieces of `size`; returns how many octets were of the header.
std::size_t scan(HeaderScan &header, std::string_view text, std::size_t size) {
  std::size_t total = 0;
  while (!text.empty() && !header.ended()) {
    const std::string_view piece = text.substr(0, size);
    total += header.feed(piece);
    text.remove_prefix(piece.size());
  }
  return total;
}

void counts_hops_whatever_the_pieces() {
  const std::string_view text =
      "Received: a\n\tReceived: b\nreceived : c\nX-Received: d\nDelivered-To: e\n"
      "Received\nSubject: Received: f\n\nReceived: g\n";
  const std::size_t end = text.find("\n\n") + 1;
  for (std::size_t size = 1; size <= text.size(); ++size) {
    HeaderScan header;
    CHECK(scan(header, text, size) == end);
    CHECK(header.ended() && header.received() == 2 && header.delivered_to() == 1);
    CHECK(!header.has_date() && !header.has_from() && !header.has_message_id());
  }
}

void knows_what_is_missing() {
  HeaderScan header;
  scan(header, "FROM: a\nDate: b\nMessage-Id: c\n\n", 7);
  CHECK(header.has_from() && header.has_date() && header.has_message_id());
}

void bears_odd_headers() {
  HeaderScan none;
  CHECK(none.feed("\nbody") == 0 && none.ended());
  HeaderScan endless;
  CHECK(endless.feed(std::string(100000, 'x')) == 100000);
  CHECK(!endless.ended() && endless.in_line());
  CHECK(endless.feed(": y\nReceived: z\n") == 16 && endless.received() == 1);
}

TraceFacts facts() {
  TraceFacts facts;
  facts.helo = "client.example";
  facts.address = IpAddress::parse("192.0.2.1");
  facts.me = "mx.example.test";
  facts.session = "6f1c09d2";
  facts.esmtp = true;
  return facts;
}

void writes_received() {
  CHECK(received_field(facts(), 0) ==
        "Received: from client.example (unknown [192.0.2.1]) by mx.example.test with "
        "ESMTP\n  id 6f1c09d2; Thu, 01 Jan 1970 00:00:00 +0000\n");
  TraceFacts six = facts();
  six.address = IpAddress::parse("2001:db8::1");
  six.name = "mail.client.example";
  six.esmtp = false;
  CHECK(received_field(six, 0).find("(mail.client.example [IPv6:2001:db8::1])") !=
        std::string::npos);
  CHECK(received_field(six, 0).find(" with SMTP\n") != std::string::npos);
  six.esmtp = true;
  six.utf8 = true;
  CHECK(received_field(six, 0).find(" with UTF8SMTP\n") != std::string::npos);
}

void lets_nobody_write_into_it() {
  TraceFacts evil = facts();
  evil.helo = "x (y) \"z\"; \n\rBcc: a\\";
  evil.name = "n)\n";
  const std::string field = received_field(evil, 0);
  CHECK(field.starts_with("Received: from x??y???z?????Bcc:?a? (n?? [192.0.2.1]) by"));
}

}  // namespace

int main() {
  counts_hops_whatever_the_pieces();
  knows_what_is_missing();
  bears_odd_headers();
  writes_received();
  lets_nobody_write_into_it();
  return test::done();
}
