// Whatever a command's text holds, its words quoted and split again are the
// same words.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libcommon/base/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char *>(data), size);
  const auto words = moat::split_command(text);
  if (!words) return 0;

  std::string quoted;
  for (const std::string &word : *words) {
    quoted += quoted.empty() ? "\"" : " \"";
    for (const char c : word) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    quoted += '"';
  }
  if (moat::split_command(quoted) != words) std::abort();
  return 0;
}
