// The commands of the session, one function each.

#include <utility>

#include "libcommon/base/text.h"
#include "libcommon/smtp/session.h"

namespace moat {
namespace {

// Commands behind which a client must wait for the reply (RFC 2920 section 3.1),
// and HELO, which RFC 2920 need not name.
bool ends_group(Verb verb) {
  switch (verb) {
    case Verb::helo:
    case Verb::ehlo:
    case Verb::data:
    case Verb::noop:
    case Verb::vrfy:
    case Verb::known: return true;
    default: return false;
  }
}

std::string_view name_of(PathError error) {
  return error == PathError::unknown ? "parameter" : "syntax";
}

// The refusal of a path that did not parse; `address` is the status for the
// address itself.
Reply path_reply(PathError error, std::string_view address) {
  switch (error) {
    case PathError::prefix: return {501, "5.5.2", "syntax error"};
    case PathError::address: return {501, std::string(address), "not an address"};
    case PathError::unknown: return {555, "5.5.4", "parameter not supported"};
    default: return {501, "5.5.4", "wrong parameter"};
  }
}

}  // namespace

void Session::command(std::string_view line) {
  if (line.find('\0') != std::string_view::npos) {
    return refuse("command", {500, "5.5.2", "NUL in a command"}, "syntax");
  }
  const Command command = parse_command(line);
  if (command.verb == Verb::foreign) {
    return cut("command", {521, "5.5.1", "this is an SMTP server"}, "foreign-protocol");
  }
  const bool grouped = state_.esmtp && rules_.offer.pipelining;
  if (command.verb != Verb::quit && !input().empty() &&
      (!grouped || ends_group(command.verb))) {
    return cut("command", {554, "5.5.0", "you did not wait for the reply"}, "pipelining");
  }
  switch (command.verb) {
    case Verb::helo:
    case Verb::ehlo: return helo(command);
    case Verb::mail: return mail(command.argument);
    case Verb::rcpt:
      asked_line_.assign(line).append("\r\n");
      return rcpt(command.argument);
    case Verb::data: return data(command.argument);
    case Verb::bdat: return bdat(command.argument);
    case Verb::rset: return rset(command.argument);
    case Verb::quit: return quit(command.argument);
    case Verb::noop: return junk({250, "2.0.0", "ok"});
    case Verb::help: return junk({214, "2.0.0", "see RFC 5321"});
    case Verb::vrfy:
      return junk(command.argument.empty() ? Reply{501, "5.5.4", "whom?"}
                                           : Reply{252, "2.5.2", "send some mail"});
    case Verb::known: return junk({502, "5.5.1", "not implemented here"});
    default: return junk({500, "5.5.2", "command unrecognized"});
  }
}

// Commands that bring no mail nearer: a few are fine.
void Session::junk(Reply reply) {
  if (++state_.junk > rules_.max_junk) {
    return cut("command", {421, "4.7.0", rules_.me + " too many commands"}, "max-junk");
  }
  if (reply.good()) return say(reply);
  refuse("command", std::move(reply), "command");
}

void Session::helo(const Command &command) {
  if (!is_helo_name(command.argument)) {
    return refuse("helo", {501, "5.5.2", "not a host name"}, "syntax");
  }
  if (!state_.helo.empty() && ++state_.junk > rules_.max_junk) {
    return cut("helo", {421, "4.7.0", rules_.me + " too many commands"}, "max-junk");
  }
  forget_mail();
  state_.helo = command.argument;
  state_.esmtp = command.verb == Verb::ehlo;
  say({250, "", state_.esmtp ? ehlo_text() : rules_.me});
}

std::string Session::ehlo_text() const {
  const Offer &offer = rules_.offer;
  std::string text = rules_.me;
  if (offer.pipelining) text += "\nPIPELINING";
  if (offer.size) text += "\nSIZE " + std::to_string(client_.max_size);
  if (offer.eight_bit) text += "\n8BITMIME";
  if (offer.utf8) text += "\nSMTPUTF8";
  if (offer.status_codes) text += "\nENHANCEDSTATUSCODES";
  if (offer.chunking) text += "\nCHUNKING";
  if (offer.limits) text += "\nLIMITS RCPTMAX=" + std::to_string(rules_.max_recipients);
  return text;
}

void Session::mail(std::string_view argument) {
  if (state_.helo.empty()) {
    return refuse("mail", {503, "5.5.1", "send HELO or EHLO first"}, "order");
  }
  if (state_.in_mail) {
    return refuse("mail", {503, "5.5.1", "one message at a time"}, "order");
  }
  const MailExtensions offered{rules_.offer.size, rules_.offer.eight_bit,
                               rules_.offer.utf8};
  MailArgument mail;
  const auto error = parse_mail(argument, offered, mail);
  if (error != PathError::none) {
    return refuse("mail", path_reply(error, "5.1.7"), name_of(error));
  }
  if (!mail.utf8 && !is_ascii(mail.sender.envelope())) {
    return refuse("mail", {553, "5.6.7", "this address needs SMTPUTF8"}, "utf8");
  }
  if (client_.max_size != 0 && mail.size > client_.max_size) {
    return refuse("mail", {552, "5.3.4", "message too large"}, "size");
  }
  state_.mail = std::move(mail);
  state_.in_mail = true;
  say({250, "2.1.0", "ok"});
}

void Session::rcpt(std::string_view argument) {
  if (!state_.in_mail || state_.in_chunks) {
    return refuse("rcpt", {503, "5.5.1", "send MAIL first"}, "order");
  }
  if (state_.recipients.size() >= rules_.max_recipients) {
    // No error of the client's: RFC 5321 4.5.3.1.10 has it send the rest later.
    return say({452, "4.5.3", "too many recipients"});
  }
  Mailbox mailbox;
  const auto error = parse_rcpt(argument, mailbox);
  if (error != PathError::none) {
    return refuse("rcpt", path_reply(error, "5.1.3"), name_of(error),
                  std::string(argument.substr(0, max_path)));
  }
  if (!state_.mail.utf8 && !is_ascii(mailbox.envelope())) {
    return refuse("rcpt", {553, "5.6.7", "this address needs SMTPUTF8"}, "utf8",
                  mailbox.text());
  }
  asked_ = std::move(mailbox);
  asking_ = true;
}

// The order of the checks: may it be relayed, does it exist.
void Session::answer_recipient(const RecipientAnswer &answer) {
  using Kind = RecipientAnswer::Kind;
  const Mailbox mailbox = std::move(asked_);
  asking_ = false;
  asked_line_.clear();
  if (answer.kind == Kind::unsure) {
    return refuse("rcpt", {451, "4.3.0", "recipient cannot be checked now"}, "directory",
                  mailbox.text());
  }
  if (answer.kind == Kind::foreign && !client_.relay) {
    return refuse("rcpt", {550, "5.7.1", "relaying denied"}, "relay", mailbox.text());
  }
  if (answer.kind == Kind::unknown) {
    if (++state_.unknown > rules_.max_unknown) {
      close("limit");
      return refuse("rcpt", {421, "4.7.0", rules_.me + " too many unknown recipients"},
                    "max-unknown", mailbox.text());
    }
    return refuse("rcpt", {550, "5.1.1", "no such recipient here"}, "unknown",
                  mailbox.text());
  }
  const bool bare = mailbox.domain.empty() && !answer.address.empty();
  std::string address = bare ? answer.address : mailbox.envelope();
  if (client_.relay) address += client_.relay_suffix;
  state_.recipients.push_back(std::move(address));
  reports_.push_back({SessionReport::Event::accept,
                      "rcpt",
                      {250, "2.1.5", "ok"},
                      state_.mail.sender.text(),
                      mailbox.text(),
                      ""});
  say({250, "2.1.5", "ok"});
}

void Session::data(std::string_view argument) {
  if (!argument.empty()) {
    return refuse("data", {501, "5.5.4", "DATA takes no argument"}, "syntax");
  }
  if (!state_.in_mail || state_.in_chunks) {
    return refuse("data", {503, "5.5.1", "send MAIL and RCPT first"}, "order");
  }
  if (state_.recipients.empty()) {
    return refuse("data", {554, "5.5.1", "no valid recipients"}, "order");
  }
  begin_message(DataDecoder::Form::dotted);
  phase_ = Phase::data;
  say({354, "", "end with a line of a single dot"});
}

// A chunk comes whether it is wanted or not: what is refused is drained first,
// lest it be taken for commands.
void Session::bdat(std::string_view argument) {
  const auto chunk = parse_bdat(argument);
  if (!chunk || !rules_.offer.chunking) {
    return cut("data", {501, "5.5.4", "BDAT takes a size"}, "syntax");
  }
  chunk_left_ = chunk_size_ = chunk->size;
  chunk_last_ = chunk->last;
  phase_ = Phase::chunk;
  if (!state_.in_mail || state_.recipients.empty()) {
    phase_ = Phase::drain;
    chunk_reason_ = "order";
    chunk_reply_ = state_.in_mail ? Reply{554, "5.5.1", "no valid recipients"}
                                  : Reply{503, "5.5.1", "send MAIL and RCPT first"};
    return;
  }
  if (!std::exchange(state_.in_chunks, true)) begin_message(DataDecoder::Form::chunked);
}

void Session::rset(std::string_view argument) {
  if (!argument.empty()) {
    return refuse("command", {501, "5.5.4", "RSET takes no argument"}, "syntax");
  }
  forget_mail();
  junk({250, "2.0.0", "ok"});
}

void Session::quit(std::string_view argument) {
  if (!argument.empty()) {
    return refuse("command", {501, "5.5.4", "QUIT takes no argument"}, "syntax");
  }
  say({221, "2.0.0", rules_.me + " closing"});
  close("quit");
}

}  // namespace moat
