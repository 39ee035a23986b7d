// The door of the queue: one process, one event loop.

#pragma once

#include "cmd/queue/settings.h"
#include "libcommon/process/invocation.h"
#include "libcommon/process/program.h"

namespace moat {

// Serves at options.serve until SIGTERM or SIGINT; then answers whoever has sent
// a request, and ends. Signals, mask and umask are as before when it returns.
Next serve_queue(const QueueOptions &options, Invocation &invocation);

}  // namespace moat
