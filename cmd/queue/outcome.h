// What an injection's end is called, in exit codes and in the log.

#pragma once

#include <cstdint>
#include <string>

#include "libcommon/base/environment.h"
#include "libcommon/base/log.h"
#include "libcommon/queue/store.h"
#include "libcommon/queue/submit.h"

namespace moat {

// The exit code that says why the queue could not be opened.
int open_failure_code(const Error &error);

// The exit code that says why it could not take messages.
int add_failure_code(const Error &error);

// The deadline that the session's variables give, or never.
Deadline deadline_of(const Environment &session);

// Log lines about the message of this session.
void log_queued(Log &log, const Environment &session, QueueId id, std::uint64_t size,
                const Envelope &envelope);
void log_refused(Log &log, const Environment &session, const QueueAnswer &answer,
                 std::string_view reason, const Envelope &envelope);

}  // namespace moat
