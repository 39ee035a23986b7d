#include "libcommon/smtp/data.h"

#include <algorithm>

namespace moat {

// One octet where it matters what it is: at the start of a line and around CR.
DataDecoder::State DataDecoder::step(char c, std::string &output) {
  switch (at_) {
    case At::dot:
      if (c == '\r') {
        at_ = At::dot_cr;
        return State::more;
      }
      if (c == '\n') return State::bad;
      break;  // the dot was stuffed
    case At::dot_cr: return c == '\n' ? State::end : State::bad;
    case At::cr:
      if (c != '\n') return State::bad;
      output += '\n';
      size_ += 2;
      at_ = At::line_start;
      return State::more;
    case At::line_start:
      if (c == '.' && form_ == Form::dotted) {
        at_ = At::dot;
        return State::more;
      }
      break;
    case At::middle: break;
  }
  if (c == '\n') return State::bad;
  if (c == '\r') {
    at_ = At::cr;
    return State::more;
  }
  at_ = At::middle;
  output += c;
  ++size_;
  return State::more;
}

DataDecoder::State DataDecoder::decode(std::string_view &input, std::string &output,
                                       std::size_t max_taken) {
  std::string_view rest = input.substr(0, max_taken);
  const std::size_t whole = rest.size();
  State state = State::more;
  while (!rest.empty() && state == State::more) {
    if (at_ == At::middle) {
      // Most octets: up to the next CR, which must be before the next LF.
      const std::size_t cr = std::min(rest.find('\r'), rest.size());
      const std::string_view run = rest.substr(0, cr);
      if (run.find('\n') != std::string_view::npos) {
        state = State::bad;
        break;
      }
      output += run;
      size_ += run.size();
      rest.remove_prefix(cr);
      if (rest.empty()) break;
    }
    state = step(rest.front(), output);
    rest.remove_prefix(1);
  }
  input.remove_prefix(whole - rest.size());
  return state;
}

bool DataDecoder::finish(std::string &output) {
  if (at_ == At::cr) return false;
  if (at_ == At::middle) {
    output += '\n';
    size_ += 2;
    at_ = At::line_start;
  }
  return true;
}

}  // namespace moat
