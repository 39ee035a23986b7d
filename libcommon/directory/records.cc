#include "libcommon/directory/records.h"

#include "libcommon/crypto/crypto.h"
#include "libcommon/directory/address.h"
#include "libcommon/state/record.h"

namespace moat {
namespace {

constexpr std::uint8_t format = 1;
constexpr std::size_t longest_plain = 60;                            // octets
constexpr std::size_t max_address = 2 * max_local + 3 + max_domain;  // all of it quoted
constexpr unsigned flag_owned = 1;
constexpr unsigned flag_trap = 2;
constexpr unsigned flag_no_greylist = 4;
constexpr unsigned flags_all = 7;

// 0xff begins no name in UTF-8, so no plain key is like a hashed one.
std::string key_of(std::string_view prefix, std::string_view text) {
  std::string key(prefix);
  if (text.size() <= longest_plain) return key.append(text);
  const auto hash = keyed_hash("", text);
  key += '\xff';
  return key.append(reinterpret_cast<const char *>(hash.data()), hash.size());
}

Error damaged() { return Error{true, "damaged record", Cause::damaged}; }

bool whole(const RecordReader &record) { return record.good() && record.at_end(); }

}  // namespace

std::string domain_key(std::string_view domain) { return key_of(domain_prefix, domain); }
std::string entry_key(std::string_view address) { return key_of(entry_prefix, address); }
std::string rules_key(std::string_view name) { return key_of(rules_prefix, name); }

std::string network_key(const IpNetwork &network) {
  std::string key(network_prefix);
  key += static_cast<char>(network.mapped_length());
  const auto &bytes = network.address().bytes();
  return key.append(reinterpret_cast<const char *>(bytes.data()), bytes.size());
}

std::string encode(const Domain &domain) {
  RecordWriter record;
  record.text(domain.name);
  record.number(static_cast<std::uint64_t>(domain.recipients));
  record.text(domain.route);
  record.text(domain.catch_all);
  record.text(domain.postmaster);
  return record.seal(domain_key(domain.name), format);
}

Result<Domain> decode_domain(std::string_view key, std::string_view octets) {
  auto record = RecordReader::open(key, octets, format);
  if (!record) return record.error();
  Domain domain;
  domain.name = record->text(max_domain);
  domain.recipients = static_cast<Recipients>(record->number(2));
  domain.route = record->text(max_path);
  domain.catch_all = record->text(max_address);
  domain.postmaster = record->text(max_path);
  if (!whole(*record) || domain_key(domain.name) != key) return damaged();
  return domain;
}

std::string encode(const DirectoryEntry &entry) {
  RecordWriter record;
  record.number(static_cast<std::uint64_t>(entry.kind));
  record.text(entry.address);
  record.text(entry.maildir);
  record.number((entry.owned ? flag_owned : 0) | (entry.trap ? flag_trap : 0) |
                (entry.greylist ? 0 : flag_no_greylist));
  record.number(entry.uid);
  record.number(entry.gid);
  record.number(entry.targets.size());
  for (const std::string &target : entry.targets) record.text(target);
  return record.seal(entry_key(entry.address), format);
}

Result<DirectoryEntry> decode_entry(std::string_view key, std::string_view octets) {
  auto record = RecordReader::open(key, octets, format);
  if (!record) return record.error();
  DirectoryEntry entry;
  const auto kind = record->number(3);
  entry.kind = static_cast<EntryKind>(kind);
  entry.address = record->text(max_address);
  entry.maildir = record->text(max_path);
  const auto flags = static_cast<unsigned>(record->number(flags_all));
  entry.owned = (flags & flag_owned) != 0;
  entry.trap = (flags & flag_trap) != 0;
  entry.greylist = (flags & flag_no_greylist) == 0;
  entry.uid = static_cast<uid_t>(record->number(UINT32_MAX));
  entry.gid = static_cast<gid_t>(record->number(UINT32_MAX));
  for (auto count = record->number(max_targets); count > 0 && record->good(); --count) {
    entry.targets.emplace_back(record->text(max_path));
  }
  if (!whole(*record) || kind == 0 || entry_key(entry.address) != key) return damaged();
  return entry;
}

std::string encode(const RelayNetwork &network) {
  RecordWriter record;
  record.text(network.network.text());
  record.number(network.allow ? 1 : 0);
  record.number(static_cast<std::uint64_t>(network.until));
  return record.seal(network_key(network.network), format);
}

Result<RelayNetwork> decode_network(std::string_view key, std::string_view octets) {
  auto record = RecordReader::open(key, octets, format);
  if (!record) return record.error();
  const auto network = IpNetwork::parse(record->text(64));
  const bool allow = record->number(1) == 1;
  const auto until = static_cast<std::int64_t>(record->number(INT64_MAX));
  if (!whole(*record) || !network || network_key(*network) != key) return damaged();
  return RelayNetwork{*network, allow, until};
}

std::string encode_text(std::string_view key, std::string_view text) {
  RecordWriter record;
  record.text(text);
  return record.seal(key, format);
}

Result<std::string> decode_text(std::string_view key, std::string_view octets) {
  auto record = RecordReader::open(key, octets, format);
  if (!record) return record.error();
  std::string text(record->text(max_rules));
  if (!whole(*record)) return damaged();
  return text;
}

}  // namespace moat
