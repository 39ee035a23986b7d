// Whatever a line of an import says, it is refused, or exported as a line that
// says the same.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cmd/userctl/transfer.h"
#include "libcommon/base/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace moat;
  const Places places{"/e", "/d", "/s", "/r", "/m"};
  std::string_view rest(reinterpret_cast<const char *>(data), size);
  while (!rest.empty()) {
    ImportText text;
    if (!parse_import_line(take_line(rest), places, text)) continue;
    ImportText again;
    for (const Domain &domain : text.domains) {
      const auto parsed = parse_import_line(export_line(domain, places), places, again);
      if (!parsed || again.domains.back() != domain) std::abort();
    }
    for (const DirectoryEntry &entry : text.entries) {
      const auto parsed = parse_import_line(export_line(entry, places), places, again);
      if (!parsed || again.entries.back() != entry) std::abort();
    }
  }
  return 0;
}
