#include "libcommon/smtp/client.h"

#include <algorithm>
#include <utility>

#include "libcommon/base/text.h"
#include "libcommon/smtp/address.h"

namespace moat {
namespace {

constexpr std::size_t max_line = 4096;    // octets; RFC 5321 has 512
constexpr std::size_t max_reply = 16384;  // octets of all its lines

bool has_control(std::string_view text) {
  const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
  return std::any_of(text.begin(), text.end(), is_control);
}

// "<LOCAL@DOMAIN>" with quotes where they have to be.
std::string path(const std::string &address) {
  if (address.empty()) return "<>";
  const auto at = address.rfind('@');
  if (at == std::string::npos) return "<" + Mailbox{address, ""}.text() + ">";
  return "<" + Mailbox{address.substr(0, at), address.substr(at + 1)}.text() + ">";
}

// The enhanced status of a reply, where it has one of its own class.
std::string status_of(int code, std::string_view text) {
  const std::string kind = std::to_string(code / 100);
  const std::string_view word = take_word(text);
  if (is_status(word) && word.starts_with(kind)) return std::string(word);
  return kind + ".0.0";
}

}  // namespace

void SmtpClient::begin(SmtpMail mail) {
  mail_ = std::move(mail);
  outcomes_.assign(mail_.recipients.size(), std::nullopt);
  accepted_.assign(mail_.recipients.size(), false);
  begun_ = true;
  if (stage_ == Stage::ready) start();
  if (stage_ == Stage::closed) lost("connection is closed");
}

bool SmtpClient::finished() const {
  return std::all_of(outcomes_.begin(), outcomes_.end(),
                     [](const auto &outcome) { return outcome.has_value(); });
}

std::vector<Outcome> SmtpClient::outcomes() const {
  std::vector<Outcome> outcomes;
  for (const auto &outcome : outcomes_) {
    outcomes.push_back(outcome.value_or(Outcome::defer("4.4.2", "not finished")));
  }
  return outcomes;
}

void SmtpClient::feed(std::string_view octets) {
  while (!octets.empty() && stage_ != Stage::closed) {
    const auto newline = octets.find('\n');
    input_ += octets.substr(0, newline);
    if (input_.size() > max_line) return lost("sent a line that is too long");
    if (newline == std::string_view::npos) return;
    octets.remove_prefix(newline + 1);
    if (input_.ends_with('\r')) input_.pop_back();
    take_line(std::exchange(input_, {}));
  }
}

void SmtpClient::take_line(std::string_view line) {
  const auto code = parse_number(line.substr(0, 3), 200, 599);
  const char mark = line.size() > 3 ? line[3] : ' ';
  const bool other = reply_.code != 0 && code && static_cast<int>(*code) != reply_.code;
  if (!code || other || (mark != ' ' && mark != '-')) {
    return lost("sent what is no reply: " + std::string(line.substr(0, 80)));
  }
  const std::string_view text = line.size() > 4 ? line.substr(4) : "";
  reply_size_ += line.size();
  if (reply_size_ > max_reply) return lost("sent a reply that is too long");
  if (!expected_.empty() && expected_.front().kind == Kind::ehlo && reply_.code != 0) {
    take_extension(text);  // all but the first line, which is a greeting
  }
  reply_.code = static_cast<int>(*code);
  if (!reply_.text.empty()) reply_.text += ' ';
  reply_.text += text;
  if (mark == '-') return;
  reply_size_ = 0;
  take_reply(std::exchange(reply_, {}));
}

void SmtpClient::take_extension(std::string_view line) {
  const std::string_view word = take_word(line);
  if (equal_nocase(word, "PIPELINING")) pipelining_ = true;
  if (equal_nocase(word, "8BITMIME")) eight_bit_mime_ = true;
  if (equal_nocase(word, "SMTPUTF8")) smtputf8_ = true;
  if (!equal_nocase(word, "SIZE")) return;
  size_offered_ = true;
  max_size_ = parse_number(take_word(line), 0, UINT64_MAX).value_or(0);
}

void SmtpClient::take_reply(const Reply &reply) {
  if (stage_ == Stage::greeting) {
    if (reply.code != 220) return close(Outcome::defer("4.4.2", said(reply)));
    stage_ = Stage::hello;
    return send(Kind::ehlo, 0, (settings_.lmtp ? "LHLO " : "EHLO ") + settings_.hello);
  }
  if (reply.code == 421)
    return close(Outcome::defer(status_of(421, reply.text), said(reply)));
  if (expected_.empty()) {
    // Some servers do not wait for the end of a message that they do not want.
    if (stage_ == Stage::body && reply.code >= 400) return close(outcome_of(reply));
    return lost("spoke out of turn");
  }
  const Command command = std::move(expected_.front());
  expected_.pop_front();
  switch (command.kind) {
    case Kind::ehlo: return take_hello(reply, true);
    case Kind::helo: return take_hello(reply, false);
    case Kind::mail:
    case Kind::rcpt: return take_envelope_reply(command, reply);
    case Kind::data: return take_data_reply(reply);
    case Kind::body: return take_body_reply(command, reply);
    case Kind::reset: return settle();
    case Kind::quit: stage_ = Stage::closed; return;
  }
}

// Nothing was said about a recipient yet: what goes wrong here is for the
// administrators of both ends, and the mail waits for them.
void SmtpClient::take_hello(const Reply &reply, bool extended) {
  if (reply.code / 100 == 2) {
    stage_ = Stage::ready;
    if (begun_) start();
    return;
  }
  if (extended && reply.code / 100 == 5 && !settings_.lmtp) {
    return send(Kind::helo, 0, "HELO " + settings_.hello);
  }
  close(Outcome::defer("4.4.2", said(reply)));
}

void SmtpClient::start() {
  if (!check_mail()) {
    stage_ = Stage::ready;
    return;
  }
  stage_ = Stage::envelope;
  todo_.push_back({Kind::mail, 0, mail_line()});
  for (std::size_t i = 0; i < mail_.recipients.size(); ++i) {
    if (outcomes_[i]) continue;
    todo_.push_back({Kind::rcpt, i, "RCPT TO:" + path(mail_.recipients[i])});
  }
  todo_.push_back({Kind::data, 0, "DATA"});
  pump();
}

// Decides what needs no server; false when nobody is left to send to.
bool SmtpClient::check_mail() {
  if (size_offered_ && max_size_ > 0 && mail_.size > max_size_) {
    decide_all(Outcome::fail("5.3.4", settings_.server + " takes at most " +
                                          std::to_string(max_size_) + " octets"));
  }
  if (has_control(mail_.sender)) {
    decide_all(Outcome::fail("5.1.7", "control characters in the sender's address"));
  }
  const auto needs_utf8 = [&](const std::string &address) {
    return !smtputf8_ && !is_ascii(address);
  };
  const Outcome no_utf8 =
      Outcome::fail("5.6.7", settings_.server + " does not take UTF-8 in addresses");
  if (needs_utf8(mail_.sender)) decide_all(no_utf8);
  for (std::size_t i = 0; i < mail_.recipients.size(); ++i) {
    if (has_control(mail_.recipients[i])) {
      decide(i, Outcome::fail("5.1.3", "control characters in the address"));
    }
    if (needs_utf8(mail_.recipients[i])) decide(i, no_utf8);
  }
  return !finished();
}

std::string SmtpClient::mail_line() const {
  std::string line = "MAIL FROM:" + path(mail_.sender);
  if (size_offered_) line += " SIZE=" + std::to_string(mail_.size);
  if (eight_bit_mime_ && mail_.eight_bit) line += " BODY=8BITMIME";
  const bool wants_utf8 =
      mail_.utf8_header || !is_ascii(mail_.sender) ||
      std::any_of(mail_.recipients.begin(), mail_.recipients.end(),
                  [](const std::string &address) { return !is_ascii(address); });
  if (smtputf8_ && wants_utf8) line += " SMTPUTF8";
  return line;
}

void SmtpClient::send(Kind kind, std::size_t index, std::string line) {
  output_.append(line).append("\r\n");
  expected_.push_back({kind, index, ""});
}

// Sends what may be sent: all of it to a server with PIPELINING, else a command
// at a time.
void SmtpClient::pump() {
  while (!todo_.empty() && (pipelining_ || expected_.empty())) {
    Command command = std::move(todo_.front());
    todo_.pop_front();
    if (command.kind == Kind::data && expected_.empty() && accepted() == 0) {
      send(Kind::reset, 0, "RSET");
      return;
    }
    send(command.kind, command.index, std::move(command.line));
  }
  if (expected_.size() == 1 && expected_.front().kind == Kind::data) stage_ = Stage::data;
}

void SmtpClient::take_envelope_reply(const Command &command, const Reply &reply) {
  if (command.kind == Kind::mail) {
    if (reply.code / 100 != 2) {
      decide_all(outcome_of(reply));
      todo_.clear();
      if (expected_.empty()) send(Kind::reset, 0, "RSET");
    }
  } else if (reply.code / 100 == 2) {
    accepted_[command.index] = !outcomes_[command.index];
  } else if (reply.code == 552) {
    // RFC 5321 section 4.5.3.1.10: too many recipients, in old servers' words.
    Outcome outcome = outcome_of(reply);
    if (outcome.status == "5.0.0") outcome = Outcome::defer("4.5.3", outcome.text);
    decide(command.index, outcome);
  } else {
    decide(command.index, outcome_of(reply));
  }
  pump();
}

void SmtpClient::take_data_reply(const Reply &reply) {
  if (reply.code != 354) {
    decide_all(outcome_of(reply));
    return settle();
  }
  if (accepted() > 0) {
    stage_ = Stage::body;
    return;
  }
  // It took DATA in the same breath in which it refused everybody: an empty
  // message and no more (RFC 2920 section 3.1).
  output_ += ".\r\nQUIT\r\n";
  stage_ = Stage::closed;
}

void SmtpClient::body_sent() {
  stage_ = Stage::answer;
  for (std::size_t i = 0; i < accepted_.size(); ++i) {
    if (!accepted_[i]) continue;
    expected_.push_back({Kind::body, i, ""});
    if (!settings_.lmtp) break;  // one answer for all
  }
}

void SmtpClient::take_body_reply(const Command &command, const Reply &reply) {
  const Outcome outcome =
      reply.code / 100 == 2 ? Outcome::ok(said(reply)) : outcome_of(reply);
  if (settings_.lmtp) {
    decide(command.index, outcome);
  } else {
    decide_all(outcome);
  }
  settle();
}

// Ends the mail where its last answer has come.
void SmtpClient::settle() {
  if (!expected_.empty() || !todo_.empty()) return;
  stage_ = Stage::ready;
  begun_ = false;
  decide_all(Outcome::defer("4.5.0", settings_.server + " left this recipient out"));
}

void SmtpClient::decide(std::size_t index, const Outcome &outcome) {
  if (!outcomes_[index]) outcomes_[index] = outcome;
}

void SmtpClient::decide_all(const Outcome &outcome) {
  for (std::size_t i = 0; i < outcomes_.size(); ++i) decide(i, outcome);
}

void SmtpClient::close(const Outcome &outcome) {
  decide_all(outcome);
  stage_ = Stage::closed;
  todo_.clear();
  expected_.clear();
}

void SmtpClient::lost(std::string_view why) {
  std::string text = settings_.server + " " + std::string(why);
  if (stage_ == Stage::answer) text += " (the message may have arrived)";
  close(Outcome::defer("4.4.2", text));
}

void SmtpClient::quit() {
  if (stage_ != Stage::ready) return lost("was not waited for");
  stage_ = Stage::quitting;
  send(Kind::quit, 0, "QUIT");
}

std::size_t SmtpClient::accepted() const {
  return static_cast<std::size_t>(std::count(accepted_.begin(), accepted_.end(), true));
}

std::string SmtpClient::said(const Reply &reply) const {
  return settings_.server + " said: " + std::to_string(reply.code) + " " + reply.text;
}

// A code that makes no sense where it came is taken for trouble that passes.
Outcome SmtpClient::outcome_of(const Reply &reply) const {
  const std::string status = status_of(reply.code, reply.text);
  if (reply.code / 100 == 5) return Outcome::fail(status, said(reply));
  if (reply.code / 100 == 4) return Outcome::defer(status, said(reply));
  return Outcome::defer("4.5.0", said(reply));
}

void SmtpBody::add(std::string_view piece, std::string &output) {
  for (const char c : piece) {
    if (after_cr_ && c != '\n') {
      output += ' ';
      line_start_ = false;
    }
    after_cr_ = c == '\r';
    if (after_cr_) continue;
    if (c == '\n') {
      output += "\r\n";
      line_start_ = true;
      continue;
    }
    if (line_start_ && c == '.') output += '.';
    output += c;
    line_start_ = false;
  }
}

void SmtpBody::end(std::string &output) {
  if (after_cr_) output += ' ';
  if (!line_start_ || after_cr_) output += "\r\n";
  output += ".\r\n";
}

void SmtpMeasure::add(std::string_view piece) {
  for (const char c : piece) {
    const bool high = static_cast<unsigned char>(c) > 0x7f;
    eight_bit_ = eight_bit_ || high;
    utf8_header_ = utf8_header_ || (high && header_);
    if (c == '\n') {
      if (!after_cr_) ++size_;
      if (line_empty_) header_ = false;
      line_empty_ = true;
      open_line_ = false;
    } else {
      open_line_ = true;
      if (c != '\r') line_empty_ = false;
    }
    after_cr_ = c == '\r';
    ++size_;
  }
}

void SmtpMeasure::fill(SmtpMail &mail) const {
  mail.size = size_ + (open_line_ ? 2 : 0);
  mail.eight_bit = eight_bit_;
  mail.utf8_header = utf8_header_;
}

}  // namespace moat
