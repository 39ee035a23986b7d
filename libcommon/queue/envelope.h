// The envelope of the qmail-queue interface, read as it comes.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "libcommon/queue/submit.h"

namespace moat {

// The longest address that goes into the queue, in octets: what qmail-queue
// takes. RFC 5321 section 4.5.3.1 allows 320.
inline constexpr std::size_t max_queue_address = 1000;

// Takes an envelope in pieces of any size.
class EnvelopeReader {
 public:
  explicit EnvelopeReader(std::size_t max_recipients) : most_(max_recipients) {}

  enum class State {
    more,      // so far it is the beginning of an envelope
    complete,  // its last NUL was read
    wrong,     // see code()
  };

  // Takes the next octets, up to the envelope's end. Octets behind the end are
  // nobody's: they are not looked at.
  State take(std::string_view octets);

  // Returns what qmail-queue would exit with if no more octets came: 0 when it
  // is complete; 11 for an address over max_queue_address; 31 for more than
  // max_recipients; 91 for anything else, no recipient at all among it.
  int code() const { return code_; }

  // Whether all octets that were taken belong to the envelope.
  bool used_all() const { return used_all_; }

  // Requires a code of 0.
  Envelope &envelope() { return envelope_; }

 private:
  State take_octet(char octet);
  State fail(int code);

  enum class Expect { sender_mark, sender, recipient_mark, recipient, nothing };
  Expect expect_ = Expect::sender_mark;
  std::size_t most_;
  int code_ = queue_bad_envelope;
  bool used_all_ = true;
  std::string address_;
  Envelope envelope_;
};

}  // namespace moat
