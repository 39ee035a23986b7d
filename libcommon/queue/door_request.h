// What goes through the door of `moat-queue --serve`: one packet there, one
// packet back.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libcommon/base/environment.h"
#include "libcommon/base/result.h"
#include "libcommon/queue/submit.h"

namespace moat {

// A request as its packet has it: message and envelope are inline, or come as
// two descriptors, message first, of the sizes told.
struct DoorRequest {
  bool with_descriptors = false;
  std::uint64_t message_size = 0;
  std::uint64_t envelope_size = 0;
  std::string_view message;   // where inline
  std::string_view envelope;  // where inline, as envelope_text() has it
  Environment session;
};

// Returns the packet of such a request. With descriptors the two sizes go, and
// inline the two texts; the session's variables as far as they are of the fixed
// list, each at most 4,096 octets long.
std::string request_packet(const DoorRequest &request);

// Parses a packet. A wrong one, one of another version, or a variable that is
// not of the list is a permanent error. The views live as long as the packet.
Result<DoorRequest> parse_request(std::string_view packet);

// The answer: one octet, the exit code, 255 for -1; then the text.
std::string answer_packet(const QueueAnswer &answer);
QueueAnswer parse_answer(std::string_view packet);

}  // namespace moat
