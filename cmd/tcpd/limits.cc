#include "cmd/tcpd/limits.h"

#include <utility>

namespace moat::tcpd {
namespace {

constexpr unsigned v4_length = 32;
constexpr unsigned v6_length = 64;

std::uint64_t count_of(const std::map<IpNetwork, std::uint64_t> &counts,
                       const IpNetwork &network) {
  const auto found = counts.find(network);
  return found == counts.end() ? 0 : found->second;
}

}  // namespace

IpNetwork network_of(const IpAddress &client) {
  return IpNetwork::of(client, client.is_v4() ? v4_length : v6_length);
}

std::uint64_t Limits::here(const IpNetwork &network) const {
  return count_of(here_, network);
}

Limits::Verdict Limits::admit(const std::optional<IpNetwork> &network, std::int64_t now) {
  if (total_ >= bounds_.total) return Verdict::total;
  if (network) {
    if (waits(*network, now)) return Verdict::fault;
    if (here(*network) >= bounds_.per_network) return Verdict::network;
    if (too_fast(*network, now)) return Verdict::rate;
    ++here_[*network];
    if (now_.size() < max_networks || now_.contains(*network)) ++now_[*network];
  }
  ++total_;
  return Verdict::admitted;
}

void Limits::leave(const std::optional<IpNetwork> &network) {
  --total_;
  if (!network) return;
  const auto found = here_.find(*network);
  if (found != here_.end() && --found->second == 0) here_.erase(found);
}

void Limits::punish(const IpNetwork &network, std::int64_t now) {
  if (faults_.size() >= max_faults) faults_.clear();
  faults_[network] = now + bounds_.fault_wait.count();
}

// Two counts a network, of this period and the one before, which weighs less the
// longer ago it was: no list of times, and no burst at the turn of a period.
bool Limits::too_fast(const IpNetwork &network, std::int64_t now) {
  const std::int64_t period = bounds_.rate.period.count();
  const std::int64_t age = now - period_began_;
  if (age >= period) {
    before_ = std::exchange(now_, {});
    if (age >= 2 * period) before_.clear();
    period_began_ = now - age % period;
  }
  const auto rest = static_cast<std::uint64_t>(period - (now - period_began_));
  const auto whole = static_cast<std::uint64_t>(period);
  const std::uint64_t weighed =
      (count_of(before_, network) * rest + whole - 1) / whole;  // rounded up
  return weighed + count_of(now_, network) >= bounds_.rate.count;
}

bool Limits::waits(const IpNetwork &network, std::int64_t now) {
  const auto found = faults_.find(network);
  if (found == faults_.end()) return false;
  if (found->second > now) return true;
  faults_.erase(found);
  return false;
}

}  // namespace moat::tcpd
