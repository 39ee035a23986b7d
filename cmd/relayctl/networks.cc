// The list of relay networks in control.mdb.

#include "libcommon/directory/networks.h"

#include <unistd.h>

#include "cmd/relayctl/call.h"
#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/directory/master.h"

namespace moat::relayctl {
namespace {

constexpr std::size_t max_import = std::size_t{64} << 20U;

// "allow 192.0.2.0/24 until 1790000000", as export writes and import reads.
std::string line_of(const RelayNetwork &network) {
  std::string line = network.allow ? "allow " : "deny ";
  line += network.network.text();
  if (network.until != 0) line += " until " + std::to_string(network.until);
  return line + "\n";
}

std::optional<RelayNetwork> parse_line(std::string_view line) {
  const std::string_view word = take_word(line);
  const auto network = IpNetwork::parse(take_word(line));
  if (!network || (word != "allow" && word != "deny")) return std::nullopt;
  RelayNetwork parsed{*network, word == "allow", 0};
  if (line.empty()) return parsed;
  if (take_word(line) != "until") return std::nullopt;
  const auto until = parse_number(line, 1, INT64_MAX);
  if (!until) return std::nullopt;
  parsed.until = static_cast<std::int64_t>(*until);
  return parsed;
}

Result<std::vector<RelayNetwork>> parse_lines(std::string_view text) {
  std::vector<RelayNetwork> networks;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = trim(take_line(text));
    if (line.empty() || line.front() == '#') continue;
    const auto network = parse_line(line);
    if (!network) {
      return permanent_error("line " + std::to_string(number) +
                             ": takes allow|deny NET [until SECONDS], not \"" +
                             std::string(line) + "\"");
    }
    networks.push_back(*network);
  }
  return networks;
}

Result<std::string> all_lines(const Call &call, Invocation &invocation, bool ended_too) {
  const auto master = Master::open(invocation, call.places, Master::Which::control);
  if (!master) return master.error();
  std::string lines;
  const std::int64_t now = invocation.clock.wall_seconds();
  const auto read = master->read([&](Reader &reader) {
    return each_network(reader, [&](const RelayNetwork &network) {
      const bool ended = network.until != 0 && network.until <= now;
      if (ended_too || !ended) lines += line_of(network);
      return true;
    });
  });
  if (!read) return read.error();
  return lines;
}

Result<int> print(const Result<std::string> &text) {
  if (!text) return text.error();
  const auto written = write_all(STDOUT_FILENO, *text);
  if (!written) return written.error();
  return int{exit_ok};
}

}  // namespace

Result<int> change_network(const Call &call, Invocation &invocation) {
  if (!call.via.empty()) {
    const auto opened = ask_at_door(call.via, call.words[1], call.period);
    if (!opened) return opened.error();
    return int{exit_ok};
  }
  const auto network = IpNetwork::parse(call.words[1]);
  if (!network) return permanent_error("not an address or a network: " + call.words[1]);
  const std::int64_t now = invocation.clock.wall_seconds();
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(call.period).count();
  const RelayNetwork wished{*network, call.words[0] == "allow",
                            seconds == 0 ? 0 : now + seconds};
  const auto master = Master::open(invocation, call.places, Master::Which::control);
  if (!master) return master.error();
  bool found = true;
  const auto changed = master->change([&](Writer &writer) -> Status {
    const auto pruned = prune_networks(writer, now);
    if (!pruned) return pruned.error();
    if (call.words[0] != "remove") return put_network(writer, wished);
    const auto removed = remove_network(writer, *network);
    if (!removed) return removed.error();
    found = *removed;
    return done;
  });
  if (!changed) return changed.error();
  if (!found) return permanent_error("nothing is said of " + network->text());
  return int{exit_ok};
}

Result<int> list_networks(const Call &call, Invocation &invocation) {
  return print(all_lines(call, invocation, false));
}

Result<int> export_networks(const Call &call, Invocation &invocation) {
  return print(all_lines(call, invocation, true));
}

// All of it or nothing: one transaction.
Result<int> import_networks(const Call &call, Invocation &invocation) {
  const auto text = call.words.size() > 1 && call.words[1] != "-"
                        ? read_file(call.words[1], max_import)
                        : read_all(STDIN_FILENO, max_import);
  if (!text) return text.error();
  const auto networks = parse_lines(*text);
  if (!networks) return networks.error();
  const auto master = Master::open(invocation, call.places, Master::Which::control);
  if (!master) return master.error();
  const auto changed = master->change([&](Writer &writer) -> Status {
    for (const RelayNetwork &network : *networks) {
      const auto put = put_network(writer, network);
      if (!put) return put;
    }
    return done;
  });
  if (!changed) return changed.error();
  return int{exit_ok};
}

}  // namespace moat::relayctl
