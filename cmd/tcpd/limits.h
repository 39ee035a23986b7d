// How many clients at a time, from where, and how fast: the bounds of an
// acceptor, without I/O.

#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "libcommon/base/value.h"
#include "libcommon/net/ip_address.h"

namespace moat::tcpd {

// Whom the bounds count as one: an IPv4 address, the /64 of an IPv6 address.
IpNetwork network_of(const IpAddress &client);

class Limits {
 public:
  // Networks that are counted for the rate within one period, and those that
  // wait after a fault. A flood from more finds no further memory: those that
  // come then are not counted.
  static constexpr std::size_t max_networks = 100000;
  static constexpr std::size_t max_faults = 1000;

  struct Bounds {
    std::uint64_t total;
    std::uint64_t per_network;
    Rate rate;
    Milliseconds fault_wait;
  };
  explicit Limits(const Bounds &bounds) : bounds_(bounds) {}

  enum class Verdict { admitted, total, network, rate, fault };

  // Admits a client, and counts him, or says which bound he meets; those who
  // are not admitted count for nothing. A client without a network (of a unix
  // socket, or a proxy itself) meets the total alone. `now` in milliseconds.
  Verdict admit(const std::optional<IpNetwork> &network, std::int64_t now);

  // An admitted client has gone.
  void leave(const std::optional<IpNetwork> &network);

  // A child of this network died by a fault: who is behind it waits.
  void punish(const IpNetwork &network, std::int64_t now);

  std::uint64_t total() const { return total_; }
  bool full() const { return total_ >= bounds_.total; }

  // Returns how many are here from this network.
  std::uint64_t here(const IpNetwork &network) const;

 private:
  using Counts = std::map<IpNetwork, std::uint64_t>;
  bool too_fast(const IpNetwork &network, std::int64_t now);
  bool waits(const IpNetwork &network, std::int64_t now);

  Bounds bounds_;
  std::uint64_t total_ = 0;
  Counts here_;
  Counts before_;  // who came in the period before, and in this
  Counts now_;
  std::int64_t period_began_ = 0;
  std::map<IpNetwork, std::int64_t> faults_;  // until when
};

}  // namespace moat::tcpd
