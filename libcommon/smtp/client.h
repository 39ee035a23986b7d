// The client's side of SMTP and LMTP (RFC 5321, RFC 2033) as a state machine
// without I/O: replies are fed to it, it says what to send and what became of
// each recipient.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/smtp/outcome.h"

namespace moat {

// What has to be known of a message before its first octet is sent.
struct SmtpMail {
  std::string sender;                   // unquoted, the last '@' counts
  std::vector<std::string> recipients;  // the same
  std::uint64_t size = 0;               // octets as they will be sent
  bool eight_bit = false;               // octets over 127 anywhere
  bool utf8_header = false;             // octets over 127 in the header
};

class SmtpClient {
 public:
  struct Settings {
    std::string hello;   // this client's name
    std::string server;  // how texts name the other end: "mail.example:25"
    bool lmtp = false;
  };

  // Where the dialog is: what the other end is waited for.
  enum class Stage {
    greeting,
    hello,
    ready,     // for begin(), nothing is waited for
    envelope,  // MAIL, RCPT, or several commands at once
    data,      // 354
    body,      // the message is to be sent now, then body_sent()
    answer,    // to the message
    quitting,  // the answer to QUIT; nothing depends on it
    closed,
  };

  explicit SmtpClient(Settings settings) : settings_(std::move(settings)) {}

  Stage stage() const { return stage_; }

  // Sends this message as soon as the server is ready. Requires that none was
  // begun before or that the one before is finished and the stage is ready.
  void begin(SmtpMail mail);

  // Whether each recipient has its outcome; outcomes() is in their order. The
  // stage is then ready (for another message), or closed, or was never reached.
  bool finished() const;
  std::vector<Outcome> outcomes() const;

  // What is to be sent; the caller drops what it has sent. At most 64 KiB with
  // 100 recipients.
  std::string &output() { return output_; }

  // Takes octets from the server. Replies that are malformed, longer than 16 KiB
  // or not asked for end the session, and what is unfinished is deferred.
  void feed(std::string_view octets);

  // To be called in stage body once the message and its final dot are sent.
  void body_sent();

  // The connection has ended or a wait was too long: what is unfinished is
  // deferred with this reason.
  void lost(std::string_view why);

  // Says goodbye where the stage is ready, else just closes.
  void quit();

 private:
  enum class Kind { ehlo, helo, mail, rcpt, data, body, reset, quit };
  struct Command {
    Kind kind;
    std::size_t index;  // of the recipient
    std::string line;   // without CRLF
  };
  struct Reply {
    int code = 0;
    std::string text;  // its lines, joined by a blank
  };

  void take_line(std::string_view line);
  void take_reply(const Reply &reply);
  void take_envelope_reply(const Command &command, const Reply &reply);
  void take_hello(const Reply &reply, bool extended);
  void take_data_reply(const Reply &reply);
  void take_body_reply(const Command &command, const Reply &reply);
  void take_extension(std::string_view line);
  void start();
  bool check_mail();
  std::string mail_line() const;
  void send(Kind kind, std::size_t index, std::string line);
  void pump();
  void settle();
  void decide(std::size_t index, const Outcome &outcome);
  void decide_all(const Outcome &outcome);
  void close(const Outcome &outcome);
  std::size_t accepted() const;
  std::string said(const Reply &reply) const;
  Outcome outcome_of(const Reply &reply) const;

  Settings settings_;
  Stage stage_ = Stage::greeting;
  std::string input_;  // a line that is not whole yet
  Reply reply_;        // a reply that is not whole yet
  std::size_t reply_size_ = 0;
  std::string output_;
  std::deque<Command> todo_;      // not sent yet
  std::deque<Command> expected_;  // sent, not answered

  bool pipelining_ = false;
  bool eight_bit_mime_ = false;
  bool smtputf8_ = false;
  bool size_offered_ = false;
  std::uint64_t max_size_ = 0;  // 0: the server said none

  bool begun_ = false;
  SmtpMail mail_;
  std::vector<std::optional<Outcome>> outcomes_;
  std::vector<bool> accepted_;
};

// Turns a message into what follows 354: every line ends in CRLF (a bare LF
// becomes one, a bare CR a blank, for that is how messages are smuggled), a dot
// at the beginning of a line is doubled, and the end is CRLF, dot, CRLF.
class SmtpBody {
 public:
  // Appends the form of this piece to `output`.
  void add(std::string_view piece, std::string &output);
  void end(std::string &output);

 private:
  bool line_start_ = true;
  bool after_cr_ = false;
};

// Takes the measures of SmtpMail from a message that passes by in pieces.
class SmtpMeasure {
 public:
  void add(std::string_view piece);
  void fill(SmtpMail &mail) const;

 private:
  std::uint64_t size_ = 0;
  bool after_cr_ = false;
  bool open_line_ = false;
  bool eight_bit_ = false;
  bool utf8_header_ = false;
  bool header_ = true;
  bool line_empty_ = true;
};

}  // namespace moat
