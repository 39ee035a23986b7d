// Whatever comes through the door: a request that is taken is one that an honest
// caller could have sent, and no answer is misread.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "libcommon/queue/door_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
  using namespace moat;
  const std::string_view packet(reinterpret_cast<const char *>(data), size);
  const QueueAnswer answer = parse_answer(packet);
  if (answer.code > 255 || answer.text.size() > 255) std::abort();

  const auto request = parse_request(packet);
  if (!request) {
    if (request.error().temporary) std::abort();  // a wrong request stays wrong
    return 0;
  }
  const std::string again = request_packet(*request);
  const auto back = parse_request(again);
  if (!back || back->session != request->session || back->message != request->message ||
      back->envelope != request->envelope ||
      back->message_size != request->message_size ||
      back->with_descriptors != request->with_descriptors) {
    std::abort();
  }
  return 0;
}
