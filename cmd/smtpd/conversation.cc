#include "cmd/smtpd/conversation.h"

#include <utility>

#include "libcommon/base/text.h"

namespace moat {
namespace {

std::optional<IpAddress> client_address(const Environment &environment) {
  return IpAddress::parse(environment.ucspi("REMOTEIP").value_or(""));
}

Reply no_room() { return {452, "4.3.1", "no room for the message"}; }

}  // namespace

Result<SessionClient> session_client(const SmtpdSettings &settings,
                                     const Environment &environment) {
  SessionClient client;
  client.max_size = settings.max_size;
  if (const auto databytes = environment.get("DATABYTES")) {
    const auto size = parse_number(*databytes, 0, UINT64_MAX);
    if (!size) {
      return permanent_error("DATABYTES takes a number, not \"" +
                             std::string(*databytes) + "\"");
    }
    client.max_size = *size;
  }
  const auto relay = environment.get("RELAYCLIENT");
  client.relay = relay.has_value();
  client.relay_suffix = relay.value_or("");
  return client;
}

Conversation::Conversation(const SmtpdSettings &settings, const SessionClient &client,
                           Invocation &invocation)
    : settings_(settings),
      client_(client),
      invocation_(invocation),
      session_(settings.rules, client, [] {
        SessionState state;
        state.started_ms = Clock::boot_ms();
        return state;
      }()) {}

void Conversation::run() {
  invocation_.log.detail("connect",
                         {{"name", invocation_.env.ucspi("REMOTEHOST").value_or("")}});
  session_.greet(connection_.talked_early());
  while (step(session_.next(Clock::boot_ms()))) {
  }
  log_end();
}

// Does one thing that the session needs. False once it has ended.
bool Conversation::step(Session::Step step) {
  using Need = Session::Need;
  switch (step.need) {
    case Need::report: log_report(session_.take_report()); break;
    case Need::pause:
      if (!flush()) return false;
      connection_.pause(step.wait);
      break;
    case Need::recipient: session_.answer_recipient(look_up(session_.recipient())); break;
    case Need::begin: begin(); break;
    case Need::body: keep(session_.body()); break;
    case Need::submit: submit(); break;
    case Need::read:
      if (!flush()) return false;
      read(step.wait);
      break;
    case Need::close:
      // Who was cut off may still be talking.
      if (flush() && (session_.ending() == "cut" || session_.ending() == "limit")) {
        connection_.linger();
      }
      return false;
  }
  return true;
}

bool Conversation::flush() {
  if (!session_.has_output()) return true;
  const Deadline deadline = Deadline::after(settings_.rules.command_timeout);
  if (Connection::send(session_.take_output(), deadline)) return true;
  session_.client_left("unread");
  return false;
}

void Conversation::read(Milliseconds wait) {
  const auto received =
      connection_.receive(buffer_, Deadline::after(wait), !session_.stopping());
  switch (received.event) {
    case Connection::Event::octets: return session_.feed({buffer_.data(), received.size});
    case Connection::Event::end: return session_.client_left();
    case Connection::Event::timeout: return session_.timed_out();
    case Connection::Event::terminated: return session_.stop();
  }
}

void Conversation::log_report(const SessionReport &report) {
  const bool accepted = report.event == SessionReport::Event::accept;
  if (accepted) {
    return invocation_.log.detail(
        "accept", {{"sender", report.sender}, {"recipient", report.recipient}});
  }
  invocation_.log.event("reject", {{"stage", report.stage},
                                   {"code", report.reply.code},
                                   {"status", report.reply.status},
                                   {"helo", session_.state().helo},
                                   {"sender", report.sender},
                                   {"recipient", report.recipient},
                                   {"reason", report.reason},
                                   {"text", report.reply.text}});
}

const Directory *Conversation::directory() {
  if (directory_ != nullptr || directory_failed_) return directory_;
  const auto opened = Directory::open(invocation_, settings_.places);
  if (opened) return directory_ = *opened;
  directory_failed_ = true;
  invocation_.log.event("trouble", {{"reason", opened.error().what}});
  return nullptr;
}

RecipientAnswer Conversation::look_up(const Mailbox &recipient) {
  using Kind = RecipientAnswer::Kind;
  const Directory *known = directory();
  if (known == nullptr) return {Kind::unsure, ""};
  const auto found = known->find(recipient.local, recipient.domain);
  if (!found) {
    invocation_.log.event("trouble", {{"reason", found.error().what}});
    return {Kind::unsure, ""};
  }
  switch (found->kind) {
    case RecipientKind::foreign: return {Kind::foreign, ""};
    case RecipientKind::unknown: return {Kind::unknown, ""};
    case RecipientKind::ask: return {Kind::unsure, ""};
    default: return {Kind::deliverable, found->address};
  }
}

void Conversation::begin() {
  const SessionState &state = session_.state();
  const Environment &environment = invocation_.env;
  const std::int64_t now = invocation_.clock.wall_seconds();
  const std::string session(environment.get_or("MOAT_SESSION", ""));
  invocation_.env.set("MOAT_HELO", state.helo);
  TraceFacts facts;
  facts.helo = state.helo;
  facts.name = environment.ucspi("REMOTEHOST").value_or("");
  facts.address = client_address(environment);
  facts.me = settings_.rules.me;
  facts.session = session;
  facts.esmtp = state.esmtp;
  facts.utf8 = state.mail.utf8;
  MissingFields missing;
  missing.wanted = settings_.complete_headers && client_.relay;
  if (missing.wanted) {
    missing.date = mail_date(now);
    missing.message_id = "<" + std::to_string(now) + "." + session + "." +
                         std::to_string(state.messages) + "@" + settings_.rules.me + ">";
    const std::string sender = state.mail.sender.text();
    missing.from = sender.empty() ? "<MAILER-DAEMON@" + settings_.rules.me + ">"
                                  : "<" + sender + ">";
  }
  message_ = std::make_unique<IncomingMessage>(
      settings_.spool, received_field(facts, now), std::move(missing));
}

// A message that cannot be kept is read to its end all the same.
void Conversation::keep(std::string_view octets) {
  if (const auto kept = message_->append(octets); !kept) {
    invocation_.log.event("trouble", {{"reason", kept.error().what}});
    session_.fail_message(no_room(), "spool");
  }
}

void Conversation::submit() {
  const auto incoming = std::exchange(message_, nullptr);
  if (!incoming->finish()) return session_.answer_message(no_room(), "spool");
  const HeaderScan &header = incoming->header();
  if (header.received() > settings_.hops || header.delivered_to() > settings_.hops) {
    return session_.answer_message(
        {554, "5.4.6", "too many hops, this message is looping"}, "loop");
  }
  Reply reply = parse_reply(queue_reply(queue(incoming->spool())));
  if (reply.good()) {
    const SessionState &state = session_.state();
    invocation_.log.event("queued", {{"code", reply.code},
                                     {"bytes", incoming->spool().size()},
                                     {"recipients", state.recipients.size()},
                                     {"helo", state.helo},
                                     {"sender", state.mail.sender.text()},
                                     {"recipient", state.recipients.front()}});
  }
  session_.answer_message(std::move(reply));
}

QueueAnswer Conversation::queue(const SpooledMessage &spool) {
  const SessionState &state = session_.state();
  const Envelope envelope{state.mail.sender.envelope(), state.recipients};
  const Message message{spool.text(), spool.in_file() ? spool.fd() : -1, spool.size()};
  const Deadline deadline = Deadline::after(settings_.queue_timeout);
  if (settings_.door.empty()) {
    return submit_to_program(settings_.program, message, envelope, invocation_.env,
                             deadline);
  }
  return submit_at_door(settings_.door, message, envelope, invocation_.env, deadline);
}

void Conversation::log_end() {
  const SessionState &state = session_.state();
  const std::int64_t seconds = (Clock::boot_ms() - state.started_ms) / 1000;
  invocation_.log.event("disconnect", {{"reason", session_.ending()},
                                       {"helo", state.helo},
                                       {"messages", state.messages},
                                       {"rejects", state.rejects},
                                       {"seconds", seconds}});
}

}  // namespace moat
