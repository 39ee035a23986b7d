#include "libcommon/net/ip_address.h"

#include <netinet/in.h>
#include <sys/un.h>

#include "tests/unit/check.h"

using namespace moat;

namespace {

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }

// Returns the text form of what was parsed, or "" if nothing was.
std::string round_trip(std::string_view text) {
  const auto address = IpAddress::parse(text);
  return address ? address->text() : "";
}
std::string network(std::string_view text) {
  const auto parsed = IpNetwork::parse(text);
  return parsed ? parsed->text() : "";
}

void reads_both_versions() {
  CHECK(round_trip("192.0.2.1") == "192.0.2.1");
  CHECK(round_trip("2001:DB8:0:0::1") == "2001:db8::1");
  CHECK(round_trip("::ffff:192.0.2.1") == "192.0.2.1");
  CHECK(ip("192.0.2.1") == ip("::ffff:192.0.2.1"));
  CHECK(!ip("2001:db8::1").is_v4());
  CHECK(ip("192.0.2.1").literal() == "[192.0.2.1]");
  CHECK(ip("2001:db8::1").literal() == "[IPv6:2001:db8::1]");
}

void refuses_anything_else() {
  using namespace std::literals;
  for (const auto text :
       {""sv, "192.0.2"sv, "192.0.2.01"sv, "192.0.2.256"sv, " 192.0.2.1"sv,
        "192.0.2.1\0"sv, "[2001:db8::1]"sv, "fe80::1%eth0"sv, "0x7f.1"sv,
        "1111:2222:3333:4444:5555:6666:7777:8888:9999"sv}) {
    CHECK(round_trip(text) == "");
    CHECK(network(text) == "");
  }
}

void takes_addresses_of_sockets() {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(0xc0000201);
  CHECK(IpAddress::from(reinterpret_cast<sockaddr *>(&in)) == ip("192.0.2.1"));
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_addr = in6addr_loopback;
  CHECK(IpAddress::from(reinterpret_cast<sockaddr *>(&in6)) == ip("::1"));
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  CHECK(!IpAddress::from(reinterpret_cast<sockaddr *>(&un)));
}

void knows_loopback() {
  CHECK(ip("127.0.0.1").is_loopback());
  CHECK(ip("127.255.255.255").is_loopback());
  CHECK(ip("::1").is_loopback());
  CHECK(!ip("128.0.0.1").is_loopback());
  CHECK(!ip("::2").is_loopback());
}

void reads_networks() {
  CHECK(network("192.0.2.0/24") == "192.0.2.0/24");
  CHECK(network("192.0.2.1") == "192.0.2.1");
  CHECK(network("192.0.2.1/32") == "192.0.2.1");
  CHECK(network("0.0.0.0/0") == "0.0.0.0/0");
  CHECK(network("2001:db8::/32") == "2001:db8::/32");
  CHECK(network("::/0") == "::/0");
  for (const char *text : {"192.0.2.1/24", "192.0.2.0/33", "2001:db8::/129", "1.0.0.0/",
                           "1.0.0.0/-1", "1.0.0.0/8/8", "2001:db8::1/32"}) {
    CHECK(network(text) == "");
  }
}

void contains_up_to_the_last_bit() {
  const IpNetwork four = IpNetwork::parse("192.0.2.128/25").value();
  CHECK(four.contains(ip("192.0.2.128")) && four.contains(ip("192.0.2.255")));
  CHECK(!four.contains(ip("192.0.2.127")) && !four.contains(ip("192.0.3.128")));
  CHECK(four.contains(ip("::ffff:192.0.2.200")));
  const IpNetwork six = IpNetwork::of(ip("2001:db8::ffff"), 64);
  CHECK(six.text() == "2001:db8::/64");
  CHECK(six.contains(ip("2001:db8::1")) && !six.contains(ip("2001:db8:0:1::1")));
  const IpNetwork all_of_four = IpNetwork::parse("0.0.0.0/0").value();
  CHECK(all_of_four.contains(ip("255.255.255.255")));
  CHECK(!all_of_four.contains(ip("2001:db8::1")));
  CHECK(!IpNetwork::parse("::/0")->contains(ip("192.0.2.1")));
}

}  // namespace

int main() {
  reads_both_versions();
  refuses_anything_else();
  takes_addresses_of_sockets();
  knows_loopback();
  reads_networks();
  contains_up_to_the_last_bit();
  return test::done();
}
