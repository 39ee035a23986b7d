// Whatever a record holds, decoding it ends, is refused, or encodes to the same
// again. The checksum is put right first, else nothing would come past it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "libcommon/directory/records.h"
#include "libcommon/state/record.h"

namespace {

using namespace moat;

void check(bool claim) {
  if (!claim) std::abort();
}

// Returns the octets as a record under the key, with a right sum: the version
// and the fields are the fuzzer's.
std::string sealed(std::string_view key, std::string_view octets) {
  RecordWriter writer;
  for (const char c : octets.substr(1))
    writer.number(static_cast<unsigned char>(c) & 0x7fU);
  return writer.seal(key, static_cast<std::uint8_t>(octets[0]));
}

template <typename Decode>
void decode_both(std::string_view key, std::string_view octets, Decode decode) {
  check(!decode(key, octets) || decode(key, octets)->size() == octets.size());
  const std::string record = sealed(key, octets);
  const auto again = decode(key, record);
  check(!again || again->size() <= record.size() + 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view octets(reinterpret_cast<const char *>(data), size);
  const auto entry = [](std::string_view key, std::string_view record) {
    const auto found = decode_entry(key, record);
    return found ? std::optional(encode(*found)) : std::nullopt;
  };
  const auto domain = [](std::string_view key, std::string_view record) {
    const auto found = decode_domain(key, record);
    return found ? std::optional(encode(*found)) : std::nullopt;
  };
  const auto network = [](std::string_view key, std::string_view record) {
    const auto found = decode_network(key, record);
    return found ? std::optional(encode(*found)) : std::nullopt;
  };
  decode_both(entry_key("a@b"), octets, entry);
  decode_both(domain_key("b"), octets, domain);
  decode_both(network_key(*IpNetwork::parse("192.0.2.0/24")), octets, network);
  return 0;
}
