// What an acceptor and its spawner say to each other; both are one executable.

#pragma once

#include <cstddef>
#include <cstdint>

namespace moat::wire {

// Heads a packet to the spawner: a client, his descriptor beside it and his
// variables behind it; or, with one of the slots below, an order.
struct Client {
  std::uint32_t slot;
  std::uint32_t renew;
};
inline constexpr std::uint32_t wind_up = UINT32_MAX;     // SIGTERM to the children
inline constexpr std::uint32_t retire = UINT32_MAX - 1;  // end when they have ended

// First octet of a packet from the spawner.
enum class Kind : char {
  ready = 'R',
  stop = 'S',   // then an exit code, and the text
  ended = 'E',  // then three octets of nothing, and records
};

inline constexpr std::size_t max_report = 4096;  // octets

}  // namespace moat::wire
