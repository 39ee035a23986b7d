// A message decodes to the same however it is cut into pieces, and only a dot
// between two CRLF ends it.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libcommon/smtp/data.h"

namespace {

using moat::DataDecoder;

struct Decoded {
  DataDecoder::State state = DataDecoder::State::more;
  std::string text;
  std::size_t taken = 0;
  friend bool operator==(const Decoded &, const Decoded &) = default;
};

Decoded decode(std::string_view input, std::size_t piece, DataDecoder::Form form) {
  DataDecoder decoder(form);
  Decoded result;
  while (result.taken < input.size() && result.state == DataDecoder::State::more) {
    std::string_view rest = input.substr(result.taken, piece);
    const std::size_t before = rest.size();
    result.state = decoder.decode(rest, result.text, before);
    result.taken += before - rest.size();
  }
  if (result.state == DataDecoder::State::bad) result = {result.state, "", 0};
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char *>(data), size);
  for (const auto form : {DataDecoder::Form::dotted, DataDecoder::Form::chunked}) {
    const Decoded whole = decode(input, std::max<std::size_t>(size, 1), form);
    if (decode(input, 1, form) != whole || decode(input, 3, form) != whole) std::abort();
    if (whole.text.find('\r') != std::string::npos) std::abort();
    if (whole.state != DataDecoder::State::end) continue;
    const std::string_view used = input.substr(0, whole.taken);
    if (form != DataDecoder::Form::dotted) std::abort();
    if (used != ".\r\n" && !used.ends_with("\r\n.\r\n")) std::abort();
  }
  return 0;
}
