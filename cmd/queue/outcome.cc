#include "cmd/queue/outcome.h"

#include <cstdint>

#include "libcommon/base/text.h"

namespace moat {
namespace {

constexpr int queue_damaged = 62;
constexpr int queue_newer = 63;
constexpr int queue_unusable = 64;

void set_context(Log &log, const Environment &session) {
  const auto number = session.get("MOAT_SESSION");
  const auto ip = session.get("TCPREMOTEIP");
  if (number && ip) {
    log.set_context({{"session", *number}, {"ip", *ip}});
  } else if (number) {
    log.set_context({{"session", *number}});
  } else {
    log.set_context({});
  }
}

}  // namespace

int open_failure_code(const Error &error) {
  switch (error.cause) {
    case Cause::full: return queue_write_error;
    case Cause::busy: return queue_timeout;
    case Cause::missing: return queue_trouble;
    case Cause::damaged: return queue_damaged;
    case Cause::newer: return queue_newer;
    case Cause::other: break;
  }
  return queue_unusable;
}

int add_failure_code(const Error &error) {
  if (!error.temporary && error.cause == Cause::other) return queue_read_error;
  if (error.cause == Cause::other || error.cause == Cause::missing) {
    return queue_write_error;
  }
  return open_failure_code(error);
}

Deadline deadline_of(const Environment &session) {
  const auto at =
      parse_number(session.get_or("MOAT_DEADLINE", ""), 0, std::uint64_t{INT64_MAX});
  return at ? Deadline::at(static_cast<std::int64_t>(*at)) : Deadline::never();
}

void log_queued(Log &log, const Environment &session, QueueId id, std::uint64_t size,
                const Envelope &envelope) {
  set_context(log, session);
  log.event("queued", {{"id", id.text()},
                       {"bytes", size},
                       {"recipients", envelope.recipients.size()},
                       {"sender", envelope.sender}});
  log.set_context({});
}

void log_refused(Log &log, const Environment &session, const QueueAnswer &answer,
                 std::string_view reason, const Envelope &envelope) {
  set_context(log, session);
  log.event("refused", {{"code", answer.code},
                        {"reason", answer.text.empty() ? reason : answer.text},
                        {"recipients", envelope.recipients.size()},
                        {"sender", envelope.sender}});
  log.set_context({});
}

}  // namespace moat
