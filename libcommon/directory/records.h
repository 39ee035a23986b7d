// The directory's records, in the master and in what is published of it.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/result.h"
#include "libcommon/net/ip_address.h"

namespace moat {

inline constexpr std::string_view control_seal = "moat control 1";
inline constexpr std::string_view relay_seal = "moat relay 1";

inline constexpr std::size_t max_targets = 10'000;                // of an alias
inline constexpr std::size_t max_path = 4'096;                    // octets
inline constexpr std::size_t max_rules = std::size_t{64} << 20U;  // octets of one table

enum class Recipients : std::uint8_t { known, any, ask };

struct Domain {
  std::string name;  // lower case
  Recipients recipients = Recipients::known;
  std::string route;       // "HOST:PORT", "unix:PATH" or empty
  std::string catch_all;   // an address, or empty
  std::string postmaster;  // the Maildir of its postmaster where he has no entry

  friend bool operator==(const Domain &, const Domain &) = default;
};

enum class EntryKind : std::uint8_t { account = 1, alias = 2, list = 3 };

// What an address of ours is.
struct DirectoryEntry {
  EntryKind kind = EntryKind::account;
  std::string address;  // Address::text()
  std::string maildir;  // absolute
  bool owned = false;
  uid_t uid = 0;
  gid_t gid = 0;
  bool trap = false;
  bool greylist = true;
  std::vector<std::string> targets;  // of an alias; of a list its member file

  friend bool operator==(const DirectoryEntry &, const DirectoryEntry &) = default;
};

struct RelayNetwork {
  IpNetwork network;
  bool allow;
  std::int64_t until;  // wall seconds; 0: without end
};

// Keys. A text over 60 octets goes in as its hash; the record has it whole, and
// the reader compares.
std::string domain_key(std::string_view domain);
std::string entry_key(std::string_view address);
std::string network_key(const IpNetwork &network);
std::string rules_key(std::string_view name);
inline constexpr std::string_view domain_prefix = "d";
inline constexpr std::string_view entry_prefix = "e";
inline constexpr std::string_view network_prefix = "n";
inline constexpr std::string_view rules_prefix = "r";
inline constexpr std::string_view default_domain_key = "D";
inline constexpr std::string_view lengths_key = "N";  // of networks: one bit each

// Encoding, and decoding of what encoding made: Cause::damaged or Cause::newer.
std::string encode(const Domain &domain);
std::string encode(const DirectoryEntry &entry);
std::string encode(const RelayNetwork &network);
std::string encode_text(std::string_view key, std::string_view text);
Result<Domain> decode_domain(std::string_view key, std::string_view record);
Result<DirectoryEntry> decode_entry(std::string_view key, std::string_view record);
Result<RelayNetwork> decode_network(std::string_view key, std::string_view record);
Result<std::string> decode_text(std::string_view key, std::string_view record);

}  // namespace moat
