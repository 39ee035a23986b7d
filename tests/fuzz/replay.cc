// Runs a fuzzer over the files it is given, for compilers without libFuzzer.

#include <cstddef>
#include <cstdint>

#include "libcommon/base/exit_code.h"
#include "libcommon/base/io.h"
#include "libcommon/base/log.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

int main(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) {
    const auto text = moat::read_file(argv[i], std::size_t{16} << 20);
    if (!text) {
      moat::Log("replay").fatal(text.error().what);
      return moat::exit_temporary;
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t *>(text->data()),
                           text->size());
  }
}
