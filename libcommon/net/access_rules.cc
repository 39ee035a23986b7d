// The compiled form: a magic word; the numbers of networks and names, the size of
// the text, and 1 + the place of the empty address's line, or 0; the networks,
// sorted by length, longest first, and address; the names, sorted; the text, to
// whose lines these point. Numbers are of 32 bits, little end first.

#include "libcommon/net/access_rules.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>

#include "libcommon/base/text.h"
#include "libcommon/net/access_rule_line.h"

namespace moat {
namespace {

constexpr std::string_view magic = "MOATRUL1";
constexpr std::size_t head_size = 24;
constexpr std::size_t network_size = 24;  // 16 address, 1 length, 3 nothing, 4 place
constexpr std::size_t name_size = 8;      // 4 place, 4 length
constexpr std::size_t max_text = std::size_t{64} << 20U;
constexpr unsigned v4_length = 96;

void put_number(std::string &octets, std::size_t number) {
  for (unsigned shift = 0; shift < 32; shift += 8) {
    octets += static_cast<char>((number >> shift) & 0xffU);
  }
}

std::size_t get_number(std::string_view octets, std::size_t at) {
  std::size_t number = 0;
  for (unsigned i = 0; i < 4; ++i) {
    number |= std::size_t{static_cast<unsigned char>(octets[at + i])} << (i * 8U);
  }
  return number;
}

struct NetworkPlace {
  IpNetwork network;
  std::size_t place;
};

// What is compiled so far.
struct Table {
  std::vector<NetworkPlace> networks;
  std::vector<std::pair<std::string, std::size_t>> names;
  std::optional<std::size_t> all;  // the empty address's line
  std::string text;

  // Adds one line; returns what is wrong, or "".
  std::string add(std::string_view line);
  std::string compiled();
};

std::string Table::add(std::string_view line) {
  const auto parsed = parse_rule_line(line);
  if (!parsed) return parsed.error().what;
  const std::size_t place = text.size();
  const std::string_view address = parsed->address;
  std::string kept(line);
  if (address.empty()) {
    if (!all) all = place;
  } else if (address.front() == '=') {
    const std::string name = to_lower(address);
    if (!networks.empty()) return "a name among addresses: they do not mix";
    names.emplace_back(name, place);
    kept.replace(0, name.size(), name);
  } else {
    if (!names.empty()) return "an address among names: they do not mix";
    const auto covered = parse_rule_address(address);
    if (!covered) return covered.error().what;
    for (const IpNetwork &network : *covered) networks.push_back({network, place});
  }
  text += kept + "\n";
  return "";
}

std::string Table::compiled() {
  const auto order = [](const NetworkPlace &a, const NetworkPlace &b) {
    return std::tuple(b.network.mapped_length(), a.network.address()) <
           std::tuple(a.network.mapped_length(), b.network.address());
  };
  std::stable_sort(networks.begin(), networks.end(), order);
  const auto same = [](const auto &a, const auto &b) { return a.network == b.network; };
  networks.erase(std::unique(networks.begin(), networks.end(), same), networks.end());
  const auto by_name = [](const auto &a, const auto &b) { return a.first < b.first; };
  std::stable_sort(names.begin(), names.end(), by_name);
  const auto same_name = [](const auto &a, const auto &b) { return a.first == b.first; };
  names.erase(std::unique(names.begin(), names.end(), same_name), names.end());

  std::string octets(magic);
  put_number(octets, networks.size());
  put_number(octets, names.size());
  put_number(octets, text.size());
  put_number(octets, all ? *all + 1 : 0);
  for (const NetworkPlace &entry : networks) {
    const auto &bytes = entry.network.address().bytes();
    octets.append(bytes.begin(), bytes.end());
    octets += static_cast<char>(entry.network.mapped_length());
    octets.append(3, '\0');
    put_number(octets, entry.place);
  }
  for (const auto &[name, place] : names) {
    put_number(octets, place);
    put_number(octets, name.size());
  }
  return octets + text;
}

// A network of the compiled form, as its 16 octets and length.
struct Key {
  unsigned length;
  std::array<std::uint8_t, 16> bytes;
};

Key key_at(std::string_view octets, std::size_t index) {
  Key key{};
  const std::size_t at = head_size + index * network_size;
  std::memcpy(key.bytes.data(), octets.data() + at, key.bytes.size());
  key.length = static_cast<unsigned char>(octets[at + key.bytes.size()]);
  return key;
}

// Whether `a` stands before `b` in the order of the table.
bool before(const Key &a, const Key &b) {
  return a.length != b.length ? a.length > b.length : a.bytes < b.bytes;
}

// Returns the first index that does not stand before `key`.
std::size_t lower_bound(std::string_view octets, std::size_t count, const Key &key) {
  std::size_t low = 0;
  std::size_t high = count;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (before(key_at(octets, middle), key)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

IpAddress network_of(const IpAddress &client, unsigned mapped) {
  const unsigned length = client.is_v4() ? mapped - v4_length : mapped;
  return IpNetwork::of(client, length).address();
}

}  // namespace

Result<std::string> AccessRules::compile(std::string_view text) {
  if (text.size() > max_text) return permanent_error("too many rules");
  Table table;
  std::size_t number = 0;
  while (!text.empty()) {
    std::string_view line = trim(take_line(text));
    ++number;
    if (line.empty() || line.front() == '#') continue;
    const std::string wrong = table.add(line);
    if (!wrong.empty()) {
      return permanent_error("line " + std::to_string(number) + ": " + wrong);
    }
  }
  return table.compiled();
}

Result<AccessRules> AccessRules::load(std::string compiled) {
  if (compiled.size() < head_size || !compiled.starts_with(magic.substr(0, 7))) {
    return temporary_error("access rules are damaged");
  }
  if (!compiled.starts_with(magic)) {
    return temporary_error("access rules were compiled by a newer version");
  }
  AccessRules rules;
  rules.networks_ = get_number(compiled, 8);
  rules.names_ = get_number(compiled, 12);
  rules.text_ = head_size + rules.networks_ * network_size + rules.names_ * name_size;
  const std::size_t text_size = get_number(compiled, 16);
  if (compiled.size() != rules.text_ + text_size) {
    return temporary_error("access rules are damaged");
  }
  rules.octets_ = std::move(compiled);
  return rules;
}

Result<std::optional<AccessRule>> AccessRules::match(const IpAddress &client) const {
  const auto found = find_network(client);
  if (!found) return rule_for_all();
  return rule_at(get_number(octets_, head_size + *found * network_size + 20));
}

// The table is a row of groups, one for each length; each is searched once.
std::optional<std::size_t> AccessRules::find_network(const IpAddress &client) const {
  const unsigned shortest = client.is_v4() ? v4_length : 0;
  std::size_t at = 0;
  while (at < networks_) {
    const unsigned length = key_at(octets_, at).length;
    if (length < shortest || length > 128) return std::nullopt;
    const Key wanted{length, network_of(client, length).bytes()};
    const std::size_t place = lower_bound(octets_, networks_, wanted);
    if (place < networks_) {
      const Key found = key_at(octets_, place);
      if (found.length == length && found.bytes == wanted.bytes) return place;
    }
    if (length == 0) return std::nullopt;
    std::size_t next = lower_bound(octets_, networks_, Key{length - 1, {}});
    at = std::max(next, at + 1);
  }
  return std::nullopt;
}

Result<std::optional<AccessRule>> AccessRules::match_name(
    std::optional<std::string_view> name) const {
  if (!name) return rule_for_all();
  const std::string lower = to_lower(*name);
  auto found = find_name("=" + lower);
  for (auto dot = lower.find('.'); !found && dot != std::string::npos;
       dot = lower.find('.', dot + 1)) {
    found = find_name("=" + lower.substr(dot));
  }
  if (!found) found = find_name("=");
  return found ? rule_at(*found) : rule_for_all();
}

// Returns the place of the name's line.
std::optional<std::size_t> AccessRules::find_name(std::string_view name) const {
  const std::size_t names = head_size + networks_ * network_size;
  std::size_t low = 0;
  std::size_t high = names_;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const std::size_t place = get_number(octets_, names + middle * name_size);
    const std::size_t size = get_number(octets_, names + middle * name_size + 4);
    if (place > text().size()) return std::nullopt;
    const int order = text().substr(place, size).compare(name);
    if (order == 0) return place;
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return std::nullopt;
}

Result<std::optional<AccessRule>> AccessRules::rule_for_all() const {
  const std::size_t place = get_number(octets_, 20);
  if (place == 0) return std::optional<AccessRule>();
  return rule_at(place - 1);
}

Result<std::optional<AccessRule>> AccessRules::rule_at(std::size_t place) const {
  if (place >= text().size()) return temporary_error("access rules are damaged");
  std::string_view rest = text().substr(place);
  auto line = parse_rule_line(take_line(rest));
  if (!line) return temporary_error("access rules are damaged");
  return std::optional(std::move(line->rule));
}

std::string_view AccessRules::text() const {
  return std::string_view(octets_).substr(text_);
}

}  // namespace moat
