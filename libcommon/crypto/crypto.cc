#include "libcommon/crypto/crypto.h"

#include <sodium.h>

#include <cstring>

namespace moat {
namespace {

// Picks the fastest code for this processor; a second call does nothing.
void start_sodium() {
  if (::sodium_init() < 0) std::abort();  // no random octets: nothing is safe
}

const unsigned char *bytes(std::string_view octets) {
  return reinterpret_cast<const unsigned char *>(octets.data());
}

}  // namespace

std::string random_octets(std::size_t size) {
  start_sodium();
  std::string octets(size, '\0');
  ::randombytes_buf(octets.data(), octets.size());
  return octets;
}

std::uint64_t checksum64(std::string_view octets, std::uint64_t seed) {
  std::array<unsigned char, crypto_shorthash_KEYBYTES> key{'m', 'o', 'a', 't'};
  static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == 8);
  std::memcpy(key.data() + 8, &seed, sizeof seed);
  std::uint64_t sum = 0;
  ::crypto_shorthash(reinterpret_cast<unsigned char *>(&sum), bytes(octets),
                     octets.size(), key.data());
  return sum;
}

std::array<std::uint8_t, 16> keyed_hash(std::string_view key, std::string_view octets) {
  start_sodium();
  std::array<std::uint8_t, 16> hash{};
  if (::crypto_generichash(hash.data(), hash.size(), bytes(octets), octets.size(),
                           bytes(key), key.size()) != 0) {
    std::abort();  // a key of a wrong size is a mistake of ours
  }
  return hash;
}

Result<std::string> hash_password(std::string_view password, const PasswordCost &cost) {
  if (password.empty()) return permanent_error("the password is empty");
  if (password.size() > max_password) return permanent_error("the password is too long");
  start_sodium();
  std::array<char, crypto_pwhash_argon2id_STRBYTES> hash{};
  if (::crypto_pwhash_argon2id_str(hash.data(), password.data(), password.size(),
                                   cost.passes, cost.memory) != 0) {
    return temporary_error("no memory to hash a password");
  }
  return std::string(hash.data());
}

bool verify_password(const std::string &hash, std::string_view password) {
  start_sodium();
  return hash.size() < crypto_pwhash_argon2id_STRBYTES &&
         ::crypto_pwhash_argon2id_str_verify(hash.c_str(), password.data(),
                                             password.size()) == 0;
}

void wipe(std::string &secret) {
  ::sodium_memzero(secret.data(), secret.size());
  secret.clear();
}

}  // namespace moat
