// libsodium, as far as we use it.

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "libcommon/base/result.h"

namespace moat {

// Returns octets that nobody can guess.
std::string random_octets(std::size_t size);

// Returns a sum that tells damage from what was written. No guard against
// people: it has no secret.
std::uint64_t checksum64(std::string_view octets, std::uint64_t seed = 0);

// Returns BLAKE2b-128 of the octets under a key of 16 to 64 octets, or under
// none when `key` is empty.
std::array<std::uint8_t, 16> keyed_hash(std::string_view key, std::string_view octets);

// The price of a guess at a password. The default is what RFC 9106 and OWASP
// recommend for a server that checks many: 19 MiB, 2 passes, 1 lane.
struct PasswordCost {
  std::uint64_t memory = std::uint64_t{19} << 20U;  // octets, at least 8 KiB
  std::uint64_t passes = 2;
};

inline constexpr std::size_t max_password = 512;  // octets

// Returns "$argon2id$v=19$..." with a salt of its own. No memory is a temporary
// error; an empty or longer password a permanent one.
Result<std::string> hash_password(std::string_view password,
                                  const PasswordCost &cost = {});

// Whether the hash is of this password; takes as long as making it did.
bool verify_password(const std::string &hash, std::string_view password);

// Overwrites the octets, also where the compiler sees nobody read them again.
void wipe(std::string &secret);

}  // namespace moat
