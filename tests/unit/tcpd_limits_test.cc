#include "cmd/tcpd/limits.h"
#include "tests/unit/check.h"

using namespace moat;
using namespace moat::tcpd;
using Verdict = Limits::Verdict;

namespace {

constexpr std::int64_t start = 60000 * 1000;  // where a period begins

Limits limits(std::uint64_t total, std::uint64_t per_network, std::uint64_t rate) {
  return Limits({total, per_network, {rate, Milliseconds(60000)}, Milliseconds(10000)});
}

IpNetwork network(std::string_view address) {
  return network_of(IpAddress::parse(address).value());
}

void the_total_is_bounded() {
  Limits limited = limits(2, 5, 100);
  CHECK(limited.admit(network("192.0.2.1"), start) == Verdict::admitted);
  CHECK(limited.admit(std::nullopt, start) == Verdict::admitted);
  CHECK(limited.admit(network("192.0.2.2"), start) == Verdict::total);
  CHECK(limited.full());
  limited.leave(std::nullopt);
  CHECK(limited.admit(network("192.0.2.2"), start) == Verdict::admitted);
  CHECK(limited.total() == 2);
}

void one_network_has_its_share() {
  Limits limited = limits(100, 2, 100);
  CHECK(limited.admit(network("2001:db8::1"), start) == Verdict::admitted);
  CHECK(limited.admit(network("2001:db8::ffff"), start) == Verdict::admitted);
  CHECK(limited.here(network("2001:db8::2")) == 2);
  CHECK(limited.admit(network("2001:db8::3"), start) == Verdict::network);
  CHECK(limited.admit(network("2001:db8:0:1::3"), start) == Verdict::admitted);
  limited.leave(network("2001:db8::1"));
  CHECK(limited.admit(network("2001:db8::3"), start) == Verdict::admitted);
  CHECK(limited.admit(network("192.0.2.1"), start) == Verdict::admitted);
  CHECK(limited.admit(network("192.0.2.2"), start) == Verdict::admitted);
}

// Comes and goes at once; only the rate counts.
Verdict visit(Limits &limited, std::int64_t now) {
  const auto from = network("192.0.2.1");
  const auto verdict = limited.admit(from, now);
  if (verdict == Verdict::admitted) limited.leave(from);
  return verdict;
}

void the_rate_is_bounded() {
  Limits limited = limits(100, 100, 3);
  for (int i = 0; i < 3; ++i) CHECK(visit(limited, start) == Verdict::admitted);
  CHECK(visit(limited, start + 1) == Verdict::rate);
  CHECK(limited.admit(network("192.0.2.2"), start) == Verdict::admitted);
  // No fresh burst at the turn of the period; room comes as time goes by.
  CHECK(visit(limited, start + 60001) == Verdict::rate);
  CHECK(visit(limited, start + 125000) == Verdict::admitted);
  int admitted = 0;
  for (std::int64_t t = start + 200000; t < start + 320000; t += 1000) {
    admitted += visit(limited, t) == Verdict::admitted ? 1 : 0;
  }
  CHECK(admitted >= 4 && admitted <= 8);
  CHECK(visit(limited, start + 900000) == Verdict::admitted);
}

void who_is_refused_counts_for_nothing() {
  Limits limited = limits(100, 1, 3);
  const auto from = network("192.0.2.1");
  CHECK(limited.admit(from, start) == Verdict::admitted);
  for (int i = 0; i < 10; ++i) CHECK(limited.admit(from, start) == Verdict::network);
  limited.leave(from);
  CHECK(limited.admit(from, start) == Verdict::admitted);
}

void a_fault_makes_wait() {
  Limits limited = limits(100, 100, 100);
  limited.punish(network("2001:db8::1"), start);
  CHECK(limited.admit(network("2001:db8::2"), start + 9999) == Verdict::fault);
  CHECK(limited.admit(network("192.0.2.1"), start) == Verdict::admitted);
  CHECK(limited.admit(network("2001:db8::2"), start + 10000) == Verdict::admitted);
}

void a_flood_finds_no_memory() {
  Limits limited = limits(1'000'000, 10, 1);
  for (unsigned i = 0; i < Limits::max_networks + 10; ++i) {
    std::array<std::uint8_t, 16> bytes{0x20, 0x01, 0x0d, 0xb8};
    bytes[5] = static_cast<std::uint8_t>(i >> 16U);
    bytes[6] = static_cast<std::uint8_t>(i >> 8U);
    bytes[7] = static_cast<std::uint8_t>(i);
    const auto from = network_of(IpAddress::from_bytes(bytes));
    if (limited.admit(from, start) != Verdict::admitted) CHECK(false);
    limited.leave(from);
  }
  CHECK(limited.total() == 0);
  CHECK(limited.admit(network("2001:db8::1"), start) == Verdict::rate);
}

}  // namespace

int main() {
  the_total_is_bounded();
  one_network_has_its_share();
  the_rate_is_bounded();
  who_is_refused_counts_for_nothing();
  a_fault_makes_wait();
  a_flood_finds_no_memory();
  return test::done();
}
