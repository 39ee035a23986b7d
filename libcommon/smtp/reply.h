// Replies of SMTP: a code, an enhanced status code (RFC 3463), a text.

#pragma once

#include <string>
#include <string_view>

namespace moat {

struct Reply {
  int code = 250;      // 200 to 599
  std::string status;  // "5.7.1"; empty where RFC 2034 wants none
  std::string text;    // one line, or several parted by newlines

  bool good() const { return code < 400; }
  bool temporary() const { return code >= 400 && code < 500; }

  // Returns the lines as they leave, each ended by CRLF and at most 512 octets:
  // control octets become '?', what is too long is cut.
  std::string render() const;
};

// Takes "550 5.7.1 text" apart. Without an enhanced code the class decides one
// ("5.0.0"). A text that begins with no code from 200 to 599 is "451 4.3.0".
Reply parse_reply(std::string_view text);

}  // namespace moat
