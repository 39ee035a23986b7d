#include "libcommon/directory/networks.h"

#include <bitset>
#include <string>
#include <vector>

namespace moat {
namespace {

constexpr unsigned address_bits = 128;
constexpr unsigned v4_offset = 96;  // an IPv4 length begins here

// Which lengths any network has: so that a look-up asks for these alone. A
// length stays in it after its last network until the next pruning.
using Lengths = std::bitset<address_bits + 1>;

Result<Lengths> decode_lengths(std::optional<std::string_view> record) {
  if (!record) return Lengths();
  const auto text = decode_text(lengths_key, *record);
  if (!text) return text.error();
  if (text->size() != address_bits + 1) {
    return Error{true, "damaged record", Cause::damaged};
  }
  for (const char c : *text) {
    if (c != '0' && c != '1') return Error{true, "damaged record", Cause::damaged};
  }
  return Lengths(*text);
}

Status put_lengths(Writer &writer, const Lengths &lengths) {
  return writer.put(lengths_key, encode_text(lengths_key, lengths.to_string()));
}

bool ended(const RelayNetwork &network, std::int64_t now) {
  return network.until != 0 && network.until <= now;
}

}  // namespace

Status put_network(Writer &writer, const RelayNetwork &network) {
  const auto record = writer.get(lengths_key);
  if (!record) return record.error();
  auto lengths = decode_lengths(*record);
  if (!lengths) return lengths.error();
  lengths->set(network.network.mapped_length());
  auto put = put_lengths(writer, *lengths);
  if (!put) return put;
  return writer.put(network_key(network.network), encode(network));
}

Result<bool> remove_network(Writer &writer, const IpNetwork &network) {
  return writer.remove(network_key(network));
}

Status each_network(Reader &reader,
                    const std::function<bool(const RelayNetwork &)> &call) {
  Status status = done;
  auto walked = reader.each(network_prefix, [&](const Entry &entry) {
    const auto network = decode_network(entry.key, entry.value);
    if (!network) status = network.error();
    return network && call(*network);
  });
  return walked ? status : walked;
}

Result<unsigned> prune_networks(Writer &writer, std::int64_t now) {
  std::vector<std::string> gone;
  Lengths lengths;
  const auto walked = each_network(writer, [&](const RelayNetwork &network) {
    if (ended(network, now)) {
      gone.push_back(network_key(network.network));
    } else {
      lengths.set(network.network.mapped_length());
    }
    return true;
  });
  if (!walked) return walked.error();
  if (gone.empty()) return 0U;
  for (const std::string &key : gone) {
    const auto removed = writer.remove(key);
    if (!removed) return removed.error();
  }
  const auto put = put_lengths(writer, lengths);
  if (!put) return put.error();
  return static_cast<unsigned>(gone.size());
}

Result<std::optional<bool>> match_network(const Lookup &lookup, const IpAddress &client,
                                          std::int64_t now) {
  const auto record = lookup(lengths_key);
  if (!record) return record.error();
  const auto lengths = decode_lengths(*record);
  if (!lengths) return lengths.error();
  const unsigned shortest = client.is_v4() ? v4_offset : 0;
  for (unsigned length = address_bits + 1; length-- > shortest;) {
    if (!lengths->test(length)) continue;
    const auto network = IpNetwork::of(client, length - shortest);
    const std::string key = network_key(network);
    const auto found = lookup(key);
    if (!found) return found.error();
    if (!*found) continue;
    const auto said = decode_network(key, **found);
    if (!said) return said.error();
    if (!ended(*said, now)) return std::optional(said->allow);
  }
  return std::optional<bool>();
}

}  // namespace moat
