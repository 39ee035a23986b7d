// The qmail-queue interface as its callers see it: a message and an envelope
// in, an exit code and perhaps a text out (interfaces.md, section 4).

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/clock.h"
#include "libcommon/base/environment.h"
#include "libcommon/base/fd.h"
#include "libcommon/base/result.h"

namespace moat {

struct Envelope {
  std::string sender;  // empty: the null sender
  std::vector<std::string> recipients;
};

// Exit codes of the interface that callers and filters meet.
enum QueueCode : int {
  queue_ok = 0,
  queue_address_too_long = 11,
  queue_refused = 31,
  queue_no_memory = 51,
  queue_timeout = 52,
  queue_write_error = 53,
  queue_read_error = 54,
  queue_bad_config = 55,
  queue_network = 56,
  queue_trouble = 61,  // 61 to 66: the queue directory
  queue_refused_for_now = 71,
  queue_internal = 81,
  queue_text = 82,     // text on descriptor 6 or 4
  queue_text_fd = 88,  // text on $ERROR_FD
  queue_bad_envelope = 91,
  queue_cannot_exec = 120,
};

// How a submission ended.
struct QueueAnswer {
  int code;          // an exit code; -1 for a signal or no answer in time
  std::string text;  // with 82 and 88, at most 255 octets, 'D' or 'Z' first
};

// The SMTP reply to such an ending: "250 2.0.0 ...", "451 4.3.0 ...".
std::string queue_reply(const QueueAnswer &answer);

// "F" sender NUL, "T" recipient NUL for each, NUL.
std::string envelope_text(const Envelope &envelope);

// Parses that form, of at most `max_recipients`. Nullopt: ended early or wrong.
std::optional<Envelope> parse_envelope(std::string_view text, std::size_t max_recipients);

// A message to submit: octets in memory, or a descriptor of a regular file or
// memfd of known size, read from its start; not both.
struct Message {
  std::string_view octets;
  int fd = -1;
  std::uint64_t size = 0;
};

// Submits through the door of `moat-queue --serve` at `path` (unix:PATH without
// the word). `session` are the session's variables, of which the fixed list
// goes along. Waits until the deadline at most.
QueueAnswer submit_at_door(const std::string &path, const Message &message,
                           const Envelope &envelope, const Environment &session,
                           Deadline deadline);

// Submits to a program in the manner of qmail-queue: message on its descriptor
// 0, envelope on 1, the error pipe on 4 and 6 with ERROR_FD=4. At the deadline
// its process group is ended.
QueueAnswer submit_to_program(const std::vector<std::string> &argv,
                              const Message &message, const Envelope &envelope,
                              const Environment &session, Deadline deadline);

}  // namespace moat
