#include "libcommon/queue/envelope.h"

#include <utility>

namespace moat {

EnvelopeReader::State EnvelopeReader::take(std::string_view octets) {
  State state = expect_ == Expect::nothing ? State::complete : State::more;
  if (expect_ == Expect::nothing && code_ != queue_ok) state = State::wrong;
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (expect_ == Expect::nothing) {
      used_all_ = false;
      break;
    }
    state = take_octet(octets[i]);
  }
  return state;
}

EnvelopeReader::State EnvelopeReader::take_octet(char octet) {
  switch (expect_) {
    case Expect::sender_mark:
      if (octet != 'F') return fail(queue_bad_envelope);
      expect_ = Expect::sender;
      return State::more;
    case Expect::recipient_mark:
      if (octet == '\0' && !envelope_.recipients.empty()) {
        expect_ = Expect::nothing;
        code_ = queue_ok;
        return State::complete;
      }
      if (octet != 'T') return fail(queue_bad_envelope);
      if (envelope_.recipients.size() >= most_) return fail(queue_refused);
      expect_ = Expect::recipient;
      return State::more;
    case Expect::sender:
    case Expect::recipient:
      if (octet != '\0') {
        if (address_.size() >= max_queue_address) return fail(queue_address_too_long);
        address_ += octet;
        return State::more;
      }
      if (expect_ == Expect::sender) {
        envelope_.sender = std::exchange(address_, {});
      } else {
        envelope_.recipients.push_back(std::exchange(address_, {}));
      }
      expect_ = Expect::recipient_mark;
      return State::more;
    case Expect::nothing: break;
  }
  return State::wrong;
}

EnvelopeReader::State EnvelopeReader::fail(int code) {
  expect_ = Expect::nothing;
  code_ = code;
  return State::wrong;
}

std::string envelope_text(const Envelope &envelope) {
  std::string text = "F" + envelope.sender + '\0';
  for (const std::string &recipient : envelope.recipients) {
    text += 'T';
    text += recipient;
    text += '\0';
  }
  return text += '\0';
}

std::optional<Envelope> parse_envelope(std::string_view text,
                                       std::size_t max_recipients) {
  EnvelopeReader reader(max_recipients);
  if (reader.take(text) != EnvelopeReader::State::complete || !reader.used_all()) {
    return std::nullopt;
  }
  return std::move(reader.envelope());
}

}  // namespace moat
