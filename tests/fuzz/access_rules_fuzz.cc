// Whatever the text, it compiles or names a line; what was compiled loads, its
// text compiles to the same again, and every address finds an answer.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libcommon/net/access_rules.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace moat;
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  auto compiled = AccessRules::compile(text);
  if (!compiled) {
    if (compiled.error().temporary) std::abort();
    return 0;
  }
  const auto rules = AccessRules::load(*compiled);
  if (!rules) std::abort();
  const auto again = AccessRules::compile(rules->text());
  if (!again || *again != *compiled) std::abort();
  for (const char *address : {"192.0.2.1", "10.1.2.3", "2001:db8::1", "::"}) {
    if (!rules->match(IpAddress::parse(address).value())) std::abort();
  }
  for (const char *name : {"a.example", "", "."}) {
    if (!rules->match_name(name)) std::abort();
  }
  return 0;
}
