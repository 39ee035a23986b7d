// A running program in the manner of qmail-queue, for callers that wait in a
// loop of their own.

#pragma once

#include <optional>
#include <string>

#include "libcommon/base/clock.h"
#include "libcommon/base/environment.h"
#include "libcommon/base/fd.h"
#include "libcommon/process/child.h"
#include "libcommon/queue/submit.h"

namespace moat {

class QueueProgram {
 public:
  // Starts argv with the message on its descriptor 0 (as far as the descriptor
  // has been read; both stay the caller's), the envelope on 1, one pipe on 4
  // and 6, and ERROR_FD=4 and MOAT_DEADLINE beside `environment`.
  static Result<QueueProgram> start(const Argv &argv, const Environment &environment,
                                    int message, int envelope, Deadline deadline);

  // Readable once it has ended, and when it wrote an error text. Both belong in
  // the caller's poll: who does not read may block it.
  int pidfd() const { return child_.pidfd(); }
  int text_fd() const { return text_.get(); }

  // Takes what was written so far, and keeps the first 255 octets of it. Returns
  // false when nothing more can come.
  bool read_text();

  // Requires that the program has ended: returns how. A descendant that still
  // holds the error pipe is not waited for.
  QueueAnswer finish();

  // Ends its process group. Returns -1, no text.
  QueueAnswer abandon();

 private:
  QueueProgram(Child child, Fd text) : child_(std::move(child)), text_(std::move(text)) {}
  Child child_;
  Fd text_;
  std::string octets_;
};

// Returns the MOAT_DEADLINE to tell an injector that must have answered by the
// deadline, or by an earlier MOAT_DEADLINE of the environment: a little before
// that, at most 5 seconds, so that a last sync still ends in time and its
// "queued" is heard. Nullopt where there is no bound at all.
std::optional<std::string> told_deadline(const Environment &environment,
                                         Deadline deadline);

}  // namespace moat
