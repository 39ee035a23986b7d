// A compiled table that someone damaged: looking in it ends, and within it.

#include <cstddef>
#include <cstdint>

#include "libcommon/net/access_rules.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace moat;
  const auto rules =
      AccessRules::load(std::string(reinterpret_cast<const char *>(data), size));
  if (!rules) return 0;
  for (const char *address : {"192.0.2.1", "10.1.2.3", "2001:db8::1", "::"}) {
    const auto rule = rules->match(IpAddress::parse(address).value());
    if (rule && *rule && (*rule)->text.empty()) __builtin_trap();
  }
  for (const char *name : {"a.example", "", "."}) {
    [[maybe_unused]] const auto rule = rules->match_name(name);
  }
  return 0;
}
