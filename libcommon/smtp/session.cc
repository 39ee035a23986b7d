#include "libcommon/smtp/session.h"

#include <algorithm>
#include <utility>

namespace moat {
namespace {

constexpr std::size_t max_skipped = std::size_t{64} << 10U;  // octets of a long line
constexpr std::size_t body_piece = std::size_t{64} << 10U;   // octets decoded at a time

}  // namespace

void Session::greet(bool talked_early) {
  if (talked_early) {
    return cut("connect", {554, "5.5.0", "you talked before the greeting"}, "early-talk");
  }
  say({220, "", rules_.me + " ESMTP"});
}

Session::Step Session::next(std::int64_t now_ms) {
  body_.clear();
  for (;;) {
    if (const auto step = pending_step()) return *step;
    std::optional<Step> step;
    switch (phase_) {
      case Phase::command: step = command_step(now_ms); break;
      case Phase::data: step = data_step(now_ms); break;
      case Phase::chunk:
      case Phase::drain: step = chunk_step(now_ms); break;
    }
    if (step) return *step;
  }
}

// What was decided and not yet done, in the order in which it must be seen.
std::optional<Session::Step> Session::pending_step() {
  if (!reports_.empty()) return Step{Need::report};
  if (!delayed_.empty()) {
    if (!std::exchange(paused_, true)) return Step{Need::pause, rules_.tarpit_delay};
    output_ += std::exchange(delayed_, {});
    paused_ = false;
  }
  if (closing_) return Step{Need::close};
  if (asking_) return Step{Need::recipient};
  if (std::exchange(begin_wanted_, false)) return Step{Need::begin};
  return std::nullopt;
}

Session::Step Session::read_step(std::int64_t now_ms) const {
  const Milliseconds left(state_.started_ms + rules_.session_limit.count() - now_ms);
  return {Need::read, std::max(Milliseconds(1), std::min(rules_.command_timeout, left))};
}

bool Session::too_long(std::int64_t now_ms) const {
  return now_ms - state_.started_ms >= rules_.session_limit.count();
}

// Each of these does one thing and returns nullopt, to be called again, or says
// what it cannot do without.
std::optional<Session::Step> Session::command_step(std::int64_t now_ms) {
  if (too_long(now_ms)) {
    say({421, "4.4.2", rules_.me + " session too long"});
    close("limit");
  } else if (stopping_) {
    say({421, "4.3.2", rules_.me + " service stopping, try again"});
    close("stop");
  } else if (skipped_ > 0 && !input().empty()) {
    skip_long_line();
    if (skipped_ > 0 && !closing_) return wait_for_command(now_ms);
  } else if (const auto line = take_line()) {
    waiting_since_ms_.reset();
    command(*line);
  } else if (!closing_ && (input().empty() || skipped_ == 0)) {
    return wait_for_command(now_ms);
  }
  return std::nullopt;
}

// The timeout is for a whole command: octet by octet it takes no longer.
std::optional<Session::Step> Session::wait_for_command(std::int64_t now_ms) {
  if (!waiting_since_ms_) waiting_since_ms_ = now_ms;
  const Milliseconds left(*waiting_since_ms_ + rules_.command_timeout.count() - now_ms);
  if (left.count() <= 0) {
    timed_out();
    return std::nullopt;
  }
  Step step = read_step(now_ms);
  step.wait = std::min(step.wait, left);
  return step;
}

// Takes a whole line, without its CRLF. Nullopt: more octets are needed, or it
// is too long, or the session was cut.
std::optional<std::string_view> Session::take_line() {
  const std::string_view text = input();
  if (text.empty() || refuse_foreign(text)) return std::nullopt;
  const auto newline = text.find('\n');
  const auto cr = text.find('\r');
  const bool whole = newline != std::string_view::npos;
  // The first CR is the one before the first LF, or the last octet so far.
  const std::size_t end = whole ? newline : text.size();
  if (cr == std::string_view::npos ? whole : cr + 1 != end) {
    cut("command", {521, "5.5.2", "lines end in CR LF"}, "bare-newline");
    return std::nullopt;
  }
  if ((whole ? newline + 1 : text.size()) > max_command_line) {
    skip_long_line();
    return std::nullopt;
  }
  if (!whole) return std::nullopt;
  take(newline + 1);
  return text.substr(0, newline - 1);
}

// Drops a line that is too long, however it comes, and answers at its end.
void Session::skip_long_line() {
  const std::string_view text = input();
  const std::size_t newline = text.find('\n');
  const bool whole = newline != std::string_view::npos;
  // A CR at the end stays until it is known what it is before.
  const std::size_t kept = text.back() == '\r' ? 1 : 0;
  const std::size_t size = whole ? newline + 1 : text.size() - kept;
  take(size);
  skipped_ += size;
  if (skipped_ > max_skipped) {
    cut("command", {521, "5.5.6", "line far too long"}, "line-length");
  } else if (whole && (newline == 0 || text[newline - 1] != '\r')) {
    cut("command", {521, "5.5.2", "lines end in CR LF"}, "bare-newline");
  } else if (whole) {
    skipped_ = 0;
    refuse("command", {500, "5.5.6", "line too long"}, "line-length");
  }
}

bool Session::refuse_foreign(std::string_view text) {
  if (!is_foreign_start(text.front())) return false;
  cut("command", {521, "5.5.1", "this is an SMTP server"}, "foreign-protocol");
  return true;
}

void Session::begin_message(DataDecoder::Form form) {
  decoder_ = DataDecoder(form);
  failed_ = false;
  begin_wanted_ = true;
}

void Session::fail_message(Reply reply, std::string_view reason) {
  failed_ = true;
  failure_ = std::move(reply);
  failure_reason_ = reason;
}

void Session::check_size() {
  if (client_.max_size == 0 || decoder_.size() <= client_.max_size || failed_) return;
  fail_message({552, "5.3.4", "message too large"}, "size");
}

std::optional<Session::Step> Session::data_step(std::int64_t now_ms) {
  if (std::exchange(submit_wanted_, false)) return end_message();
  if (too_long(now_ms)) return timed_out(), std::nullopt;
  std::string_view rest = input();
  if (rest.empty()) return read_step(now_ms);
  const std::size_t before = rest.size();
  const auto state = decoder_.decode(rest, body_, body_piece);
  take(before - rest.size());
  check_size();
  if (state == DataDecoder::State::bad) return cut_bare_newline(), std::nullopt;
  submit_wanted_ = state == DataDecoder::State::end;
  return body_step();
}

std::optional<Session::Step> Session::chunk_step(std::int64_t now_ms) {
  if (std::exchange(submit_wanted_, false)) return end_message();
  if (too_long(now_ms)) return timed_out(), std::nullopt;
  const auto piece =
      static_cast<std::size_t>(std::min<std::uint64_t>(chunk_left_, body_piece));
  std::string_view rest = input().substr(0, piece);
  if (rest.empty() && chunk_left_ > 0) return read_step(now_ms);
  const std::size_t size = rest.size();
  if (phase_ == Phase::chunk &&
      decoder_.decode(rest, body_, size) == DataDecoder::State::bad) {
    return cut_bare_newline(), std::nullopt;
  }
  take(size);
  chunk_left_ -= size;
  if (chunk_left_ == 0) finish_chunk();
  return body_step();
}

std::optional<Session::Step> Session::body_step() {
  if (closing_ || failed_ || body_.empty()) {
    body_.clear();
    return std::nullopt;
  }
  return Step{Need::body};
}

void Session::cut_bare_newline() {
  body_.clear();
  cut("data", {554, "5.5.2", "lines end in CR LF, and one does not"}, "bare-newline");
}

// All octets of a chunk are here.
void Session::finish_chunk() {
  if (phase_ == Phase::drain) {
    phase_ = Phase::command;
    return refuse("data", chunk_reply_, chunk_reason_);
  }
  if (chunk_last_ && !decoder_.finish(body_)) return cut_bare_newline();
  check_size();
  if (chunk_last_) {
    submit_wanted_ = true;
    return;
  }
  phase_ = Phase::command;
  if (failed_) {
    refuse("data", failure_, failure_reason_);
    return forget_mail();
  }
  Reply reply{250, "2.0.0", std::to_string(chunk_size_) + " octets received"};
  if (chunk_size_ == 0) return junk(std::move(reply));
  say(reply);
}

std::optional<Session::Step> Session::end_message() {
  if (!failed_) return Step{Need::submit};
  answer_message(failure_, failure_reason_);
  return std::nullopt;
}

void Session::answer_message(Reply reply, std::string_view reason) {
  phase_ = Phase::command;
  if (reply.good()) {
    ++state_.messages;
    state_.errors = 0;
    state_.junk = 0;
    forget_mail();
    return say(reply);
  }
  refuse("data", std::move(reply), reason);
  forget_mail();
}

void Session::forget_mail() {
  state_.in_mail = false;
  state_.in_chunks = false;
  state_.mail = {};
  state_.recipients.clear();
  failed_ = false;
}

void Session::feed(std::string_view octets) {
  input_.erase(0, std::exchange(taken_, 0));
  input_ += octets;
}

void Session::client_left(std::string_view ending) { close(ending); }

void Session::timed_out() {
  say({421, "4.4.2", rules_.me + " timed out, closing"});
  close("timeout");
}

void Session::stop() { stopping_ = true; }

std::string Session::take_output() { return std::exchange(output_, {}); }

SessionReport Session::take_report() {
  SessionReport report = std::move(reports_.front());
  reports_.erase(reports_.begin());
  return report;
}

void Session::say(const Reply &reply) {
  const bool slow =
      state_.errors > rules_.tarpit_after && rules_.tarpit_delay.count() > 0;
  (slow || !delayed_.empty() ? delayed_ : output_) += reply.render();
}

// Refuses a command. A client that goes on being wrong is sent away.
void Session::refuse(std::string_view stage, Reply reply, std::string_view reason,
                     std::string recipient) {
  ++state_.rejects;
  if (!reply.temporary()) ++state_.errors;
  if (!reply.temporary() && state_.errors > rules_.max_errors && !closing_) {
    reply = {421, "4.7.0", rules_.me + " too many errors"};
    reason = "max-errors";
    close("limit");
  }
  if (recipient.empty() && !state_.recipients.empty()) {
    recipient = state_.recipients.front();
  }
  reports_.push_back({SessionReport::Event::reject, stage, reply,
                      state_.mail.sender.text(), std::move(recipient), reason});
  say(reply);
}

// Refuses and ends: what else the client has sent is not looked at.
void Session::cut(std::string_view stage, Reply reply, std::string_view reason) {
  close("cut");
  refuse(stage, std::move(reply), reason);
}

void Session::close(std::string_view ending) {
  if (closing_) return;
  closing_ = true;
  ending_ = ending;
  taken_ = input_.size();
}

}  // namespace moat
