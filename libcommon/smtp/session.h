// The SMTP conversation as a state machine without I/O.
//
// Whoever drives it feeds it octets and answers, asks next() what it needs, and
// does that: a blocking loop, an event loop, a test or a fuzzer.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/clock.h"
#include "libcommon/smtp/command.h"
#include "libcommon/smtp/data.h"
#include "libcommon/smtp/reply.h"

namespace moat {

// What EHLO offers.
struct Offer {
  bool pipelining = true;
  bool size = true;
  bool eight_bit = true;
  bool utf8 = true;
  bool status_codes = true;
  bool chunking = true;
  bool limits = true;  // RFC 9422
};

// What holds for every session of a service.
struct SessionRules {
  std::string me;  // this server's name
  Offer offer;
  std::uint64_t max_recipients = 100;  // a message
  std::uint64_t max_errors = 5;        // refusals since the last accepted message
  std::uint64_t max_junk = 20;         // RSET, NOOP and the like since then
  std::uint64_t max_unknown = 3;       // unknown recipients in a session
  std::uint64_t tarpit_after = 2;      // so many errors, and each reply waits
  Milliseconds tarpit_delay{5000};
  Milliseconds command_timeout{300000};
  Milliseconds session_limit{3600000};
};

// What holds for one client.
struct SessionClient {
  std::uint64_t max_size = 25U << 20U;  // octets of a message, 0 for no limit
  bool relay = false;                   // RELAYCLIENT is set
  std::string relay_suffix;             // its value, put behind each recipient
};

// All that a session remembers between two commands, in plain values, so that
// one process can take it over from another.
struct SessionState {
  std::string helo;  // empty before HELO or EHLO
  bool esmtp = false;
  bool in_mail = false;    // MAIL was accepted, and what follows it holds
  bool in_chunks = false;  // a BDAT was accepted
  MailArgument mail;
  std::vector<std::string> recipients;  // as Mailbox::envelope
  std::uint64_t errors = 0;
  std::uint64_t junk = 0;
  std::uint64_t unknown = 0;
  std::uint64_t rejects = 0;    // of the whole session, for the log
  std::uint64_t messages = 0;   // accepted ones
  std::int64_t started_ms = 0;  // boot time
};

// What the directory said about a recipient.
struct RecipientAnswer {
  enum class Kind { deliverable, unknown, foreign, unsure };
  Kind kind = Kind::unsure;
  std::string address;  // the envelope's, where the client gave no domain
};

// One thing that the log should tell.
struct SessionReport {
  enum class Event { accept, reject } event;
  std::string_view stage;  // "connect", "helo", "mail", "rcpt", "data", "command"
  Reply reply;
  std::string sender;
  std::string recipient;    // of RCPT; at "data" the first one accepted
  std::string_view reason;  // a literal: the check that refused
};

class Session {
 public:
  // Both references must outlive it. With a state from another process the
  // session goes on there; otherwise greet() comes first.
  Session(const SessionRules &rules, const SessionClient &client, SessionState state)
      : rules_(rules), client_(client), state_(std::move(state)) {}

  enum class Need {
    report,     // log take_report()
    pause,      // send the output, then wait so long
    recipient,  // look up recipient(), then answer_recipient()
    begin,      // a message begins: make room for it
    body,       // keep body(), valid until the next call
    submit,     // hand the message on, then answer_message()
    read,       // send the output, read octets for so long at most, then feed()
    close,      // send the output and close
  };
  struct Step {
    Need need;
    Milliseconds wait{0};
  };

  // Says what to do next. `now_ms` is the boot time.
  Step next(std::int64_t now_ms);

  // Starts with the greeting, or refuses who could not wait for it.
  void greet(bool talked_early);

  // What came from the client, at most a few pieces of max_command_line ahead of
  // what next() asked for.
  void feed(std::string_view octets);
  void client_left(std::string_view ending = "eof");  // for good: no reply will do
  void timed_out();  // nothing came within the step's wait
  void stop();       // the service ends: say so at the next command boundary
  bool stopping() const { return stopping_; }

  void answer_recipient(const RecipientAnswer &answer);
  // `reason` is a literal for the log, where the reply is a refusal.
  void answer_message(Reply reply, std::string_view reason = "queue");

  // The message cannot be kept: the rest of it is drained, then this is said.
  void fail_message(Reply reply, std::string_view reason);

  // Returns what is to be sent, and forgets it.
  std::string take_output();
  bool has_output() const { return !output_.empty(); }
  SessionReport take_report();
  const Mailbox &recipient() const { return asked_; }
  std::string_view body() const { return body_; }
  const SessionState &state() const { return state_; }

  // What came and was not yet answered: the command that next() wants a recipient
  // for, and all behind it. For handing the session over at that point.
  std::string unanswered() const {
    return (asking_ ? asked_line_ : std::string()) + std::string(input());
  }

  // How it ended, once it has: "quit", "timeout", "limit", "stop", "cut" or what
  // client_left() said.
  std::string_view ending() const { return ending_; }

 private:
  enum class Phase { command, data, chunk, drain };

  std::optional<Step> pending_step();
  std::optional<Step> command_step(std::int64_t now_ms);
  std::optional<Step> data_step(std::int64_t now_ms);
  std::optional<Step> chunk_step(std::int64_t now_ms);
  std::optional<Step> body_step();
  Step read_step(std::int64_t now_ms) const;
  std::optional<Step> wait_for_command(std::int64_t now_ms);
  bool too_long(std::int64_t now_ms) const;
  std::optional<std::string_view> take_line();
  void skip_long_line();
  bool refuse_foreign(std::string_view text);

  void command(std::string_view line);
  void helo(const Command &command);
  void mail(std::string_view argument);
  void rcpt(std::string_view argument);
  void data(std::string_view argument);
  void bdat(std::string_view argument);
  void rset(std::string_view argument);
  void quit(std::string_view argument);
  void junk(Reply reply);
  std::string ehlo_text() const;

  void begin_message(DataDecoder::Form form);
  void check_size();
  std::optional<Step> end_message();
  void cut_bare_newline();
  void finish_chunk();
  void forget_mail();

  void say(const Reply &reply);
  void refuse(std::string_view stage, Reply reply, std::string_view reason,
              std::string recipient = "");
  void cut(std::string_view stage, Reply reply, std::string_view reason);
  void close(std::string_view ending);
  std::string_view input() const { return std::string_view(input_).substr(taken_); }
  void take(std::size_t count) { taken_ += count; }

  const SessionRules &rules_;
  const SessionClient &client_;
  SessionState state_;

  std::string input_;
  std::size_t taken_ = 0;                         // of input_
  std::size_t skipped_ = 0;                       // octets of a line that is too long
  std::optional<std::int64_t> waiting_since_ms_;  // for a whole command
  std::string output_;
  std::string delayed_;  // goes to the output after the pause
  std::vector<SessionReport> reports_;
  Mailbox asked_;
  std::string asked_line_;

  DataDecoder decoder_{DataDecoder::Form::dotted};
  std::string body_;
  Reply failure_;  // where failed_
  std::string_view failure_reason_;
  std::uint64_t chunk_left_ = 0;  // octets of the chunk still to come
  std::uint64_t chunk_size_ = 0;
  Reply chunk_reply_;  // of a refused chunk, once it is drained
  std::string_view chunk_reason_;

  Phase phase_ = Phase::command;
  bool asking_ = false;
  bool paused_ = false;  // the pause was asked for
  bool begin_wanted_ = false;
  bool submit_wanted_ = false;
  bool failed_ = false;  // the message will be answered with failure_
  bool chunk_last_ = false;
  bool stopping_ = false;
  bool closing_ = false;
  std::string_view ending_;
};

}  // namespace moat
