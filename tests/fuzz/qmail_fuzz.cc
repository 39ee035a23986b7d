// Whatever a qmail installation's files say, it is refused, or what it makes is
// whole and can be exported and imported again.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cmd/userctl/qmail.h"
#include "libcommon/base/text.h"

// The input is the texts of the files, in this order, each ended by a line "%%".
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace moat;
  constexpr std::array<std::string_view, 11> names{"control/me",
                                                   "control/envnoathost",
                                                   "control/locals",
                                                   "control/rcpthosts",
                                                   "control/virtualdomains",
                                                   "control/smtproutes",
                                                   "control/defaultdelivery",
                                                   "users/assign",
                                                   "/q/alias/.qmail-a",
                                                   "/q/alias/.qmail-v-default",
                                                   "/h/.qmail-x"};
  QmailTexts texts;
  std::string_view rest(reinterpret_cast<const char *>(data), size);
  for (const std::string_view name : names) {
    if (rest.empty()) break;
    std::string text;
    while (!rest.empty()) {
      const std::string_view line = take_line(rest);
      if (line == "%%") break;
      text.append(line).append("\n");
    }
    texts.emplace(name, text);
  }
  QmailUser alias;
  alias.home = "/q/alias";
  alias.dash = "-";
  const auto control = parse_qmail(texts, alias);
  if (!control) return 0;
  const Places places{"/e", "/d", "/s", "/r", "/m"};
  std::vector<LeftOut> left_out;
  auto made = import_of_qmail(*control, texts, places, left_out);
  if (!made || !check_whole(*made)) std::abort();
  ImportText again;
  for (const Domain &domain : made->domains) {
    const auto parsed = parse_import_line(export_line(domain, places), places, again);
    if (!parsed || again.domains.back() != domain) std::abort();
  }
  for (const DirectoryEntry &entry : made->entries) {
    const auto parsed = parse_import_line(export_line(entry, places), places, again);
    if (!parsed || again.entries.back() != entry) std::abort();
  }
  return 0;
}
