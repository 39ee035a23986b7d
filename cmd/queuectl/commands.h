// The words of moat-queuectl.

#pragma once

#include <string>

#include "libcommon/cli/options.h"
#include "libcommon/process/invocation.h"
#include "libcommon/queue/store.h"

namespace moat {

struct QueuectlOptions {
  Common common;
  Argv words;  // the command and its operands, checked
  QueueSettings queue;
};

// Returns what is wrong with the words, or "".
std::string fault_of_words(const Argv &words);

// Does what they say and returns the exit code.
int run_command(const QueuectlOptions &options, Invocation &invocation);

}  // namespace moat
