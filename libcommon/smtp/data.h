// The octets of a message on their way in: strict line ends, dots taken off.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace moat {

// Reads what follows DATA, or the chunks of BDAT, and writes it with lines that
// end in LF. Only CRLF ends a line: a CR or LF alone is bad, for two servers
// that read it differently can be played against each other (SMTP smuggling).
class DataDecoder {
 public:
  enum class Form { dotted, chunked };
  explicit DataDecoder(Form form) : form_(form) {}

  enum class State {
    more,  // all of the input was taken
    end,   // the line with the single dot was taken; what is left are commands
    bad,   // a bare CR or LF; the rest is not to be read as anything
  };

  // Takes octets off `input`, at most `max_taken`, and appends the message's to
  // `output`. After end or bad it must not be called again.
  State decode(std::string_view &input, std::string &output, std::size_t max_taken);

  // At the end of the last chunk: returns false for a CR that got no LF, and
  // ends an unfinished last line.
  bool finish(std::string &output);

  // How many octets the message has so far as RFC 1870 counts them: with CRLF
  // as two, without the dots that were added.
  std::size_t size() const { return size_; }

 private:
  enum class At { line_start, middle, cr, dot, dot_cr };
  State step(char c, std::string &output);

  Form form_;
  At at_ = At::line_start;
  std::size_t size_ = 0;
};

}  // namespace moat
