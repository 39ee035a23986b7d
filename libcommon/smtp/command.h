// One command line of SMTP, taken apart (RFC 5321 section 4.1.1).

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "libcommon/smtp/address.h"

namespace moat {

// A line over this many octets, CRLF included, is refused: a path, all the
// parameters that are offered and room for what others send (RFC 5321 4.5.3.1.4
// asks for 512 and what the extensions add).
inline constexpr std::size_t max_command_line = 4096;

enum class Verb {
  helo,
  ehlo,
  mail,
  rcpt,
  data,
  bdat,
  rset,
  noop,
  vrfy,
  help,
  quit,
  known,    // of another server or time: EXPN, ETRN, TURN, ...
  foreign,  // another protocol altogether
  unknown,
};

// The verb and what follows it, blanks at the ends dropped.
struct Command {
  Verb verb;
  std::string_view argument;  // lives as long as the line
};

// Splits a line without its CRLF. A verb ends at a blank.
Command parse_command(std::string_view line);

// Whether octets that a client sends where a command should begin can be none:
// a control octet, as in a TLS ClientHello. Looks at the first octet alone.
bool is_foreign_start(char first);

enum class ParameterError { none, syntax, unknown };

// What follows "MAIL FROM:".
struct MailArgument {
  Mailbox sender;          // empty for <>
  std::uint64_t size = 0;  // SIZE=, 0 when not said; at most 20 digits
  bool eight_bit = false;  // BODY=8BITMIME
  bool utf8 = false;       // SMTPUTF8
};

// Which of the parameters of MAIL are on offer.
struct MailExtensions {
  bool size = true;
  bool eight_bit = true;
  bool utf8 = true;
};

// What came of parsing MAIL or RCPT.
enum class PathError {
  none,
  prefix,     // no "FROM:" or "TO:"
  address,    // no address
  parameter,  // a parameter that is wrong, or comes twice
  unknown,    // a parameter that is not on offer
};

// Parses the argument of MAIL. A sender's local part may be as long as the path
// allows: mailing lists make such ones for their bounces.
PathError parse_mail(std::string_view argument, const MailExtensions &offered,
                     MailArgument &mail);

// Parses the argument of RCPT, which takes no parameters.
PathError parse_rcpt(std::string_view argument, Mailbox &recipient);

// What follows BDAT (RFC 3030 section 2).
struct Chunk {
  std::uint64_t size;
  bool last;
};
std::optional<Chunk> parse_bdat(std::string_view argument);

}  // namespace moat
