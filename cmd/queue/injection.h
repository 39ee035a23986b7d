// One message from descriptors 0 and 1, as qmail-queue takes it.

#pragma once

#include "cmd/queue/settings.h"
#include "libcommon/process/invocation.h"

namespace moat {

// Reads message and envelope, queues them or hands them through the door, and
// returns the exit code. Gives up after a day, as qmail-queue does, and at
// MOAT_DEADLINE.
int inject(const QueueOptions &options, Invocation &invocation);

}  // namespace moat
