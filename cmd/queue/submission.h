// A request at the door, checked.

#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cmd/queue/settings.h"
#include "libcommon/base/fd.h"
#include "libcommon/process/door.h"
#include "libcommon/queue/submit.h"

namespace moat {

// A message that somebody waits to have queued.
struct Submission {
  Fd caller;  // who gets the answer
  Environment session;
  Envelope envelope;
  std::string octets;  // where it came inline
  Fd file;             // else
  std::uint64_t size = 0;
  Deadline deadline = Deadline::never();  // MOAT_DEADLINE

  Message message() const {
    return file ? Message{{}, file.get(), size} : Message{octets, -1, size};
  }
};

// Why a request is no submission.
struct BadRequest {
  QueueAnswer answer;
  std::string reason;
};

// Checks a packet: its form; sizes against the options' bounds; that each
// descriptor is a regular file or memfd of the size told, on a file system that
// cannot stall us; the envelope. Whatever the descriptors become later, reading
// them can fail but not block.
std::variant<Submission, BadRequest> check_request(const PacketView &packet,
                                                   std::vector<Fd> fds,
                                                   const QueueOptions &options);

// Answers and hangs up. A caller who went away is no error.
void answer(const Submission &submission, const QueueAnswer &answer);

}  // namespace moat
