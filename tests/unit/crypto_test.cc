#include "libcommon/crypto/crypto.h"

#include "libcommon/base/text.h"
#include "tests/unit/check.h"

using namespace moat;

namespace {

void random_octets_differ() {
  CHECK(random_octets(32).size() == 32);
  CHECK(random_octets(32) != random_octets(32));
}

void sums_see_each_bit_and_the_seed() {
  std::string text = "moat";
  const auto sum = checksum64(text);
  CHECK(checksum64(text) == sum);
  CHECK(checksum64(text, 1) != sum);
  for (std::size_t bit = 0; bit < 32; ++bit) {
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
    CHECK(checksum64(text) != sum);
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
  }
}

// From RFC 7693's reference implementation: BLAKE2b-128 of "abc".
void hashes_are_blake2b() {
  const auto hash = keyed_hash("", "abc");
  CHECK(to_hex({reinterpret_cast<const char *>(hash.data()), hash.size()}) ==
        "cf4ab791c62b8d2b2109c90275287816");
  CHECK(keyed_hash("0123456789abcdef", "abc") != hash);
}

void passwords_are_verified() {
  const PasswordCost cheap{8192, 1};
  const auto hash = hash_password("secret", cheap);
  CHECK(hash && hash->starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
  CHECK(verify_password(*hash, "secret"));
  CHECK(!verify_password(*hash, "Secret"));
  CHECK(!verify_password(*hash, ""));
  CHECK(!verify_password("", "secret"));
  CHECK(!verify_password(std::string(1000, '$'), "secret"));
  CHECK(*hash != *hash_password("secret", cheap));
  CHECK(!hash_password("", cheap) && !hash_password("", cheap).error().temporary);
  CHECK(!hash_password(std::string(max_password + 1, 'x'), cheap));
  const auto greedy = hash_password("x", {std::uint64_t{1} << 41U, 1});
  CHECK(!greedy && greedy.error().temporary);
}

void secrets_are_wiped() {
  std::string secret = "secret";
  wipe(secret);
  CHECK(secret.empty());
}

}  // namespace

int main() {
  random_octets_differ();
  sums_see_each_bit_and_the_seed();
  hashes_are_blake2b();
  passwords_are_verified();
  secrets_are_wiped();
  return test::done();
}
