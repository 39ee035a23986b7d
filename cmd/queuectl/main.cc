// moat-queuectl: shows and manages the queue.
//
// Reads: the queue in MOAT_SPOOL.
// Sets:  nothing.
// Then:  exits 0; 1 where check found damage; 100 for a wrong call; 111.

#include "cmd/queuectl/commands.h"
#include "libcommon/base/places.h"
#include "libcommon/process/invocation.h"
#include "libcommon/process/program.h"

namespace moat {
namespace {

Prepared<QueuectlOptions> queuectl_prepare(const Argv &argv,
                                           const Environment &environment) {
  QueuectlOptions settings;
  Options options(
      "moat-queuectl",
      {"OPTIONS list", "OPTIONS show ID", "OPTIONS retry|hold|release|remove ID|all",
       "OPTIONS stats", "OPTIONS check", "OPTIONS salvage"},
      "Shows and manages the messages in the queue.");
  options.interleave();
  options.size("max-queue", "SIZE", settings.queue.map_size, std::uint64_t{1} << 20U,
               std::uint64_t{1} << 40U, "largest queue.mdb");
  options.duration("write-wait", "TIME", settings.queue.write_wait, Milliseconds(0),
                   Milliseconds(3'600'000), "how long to wait for other writers");
  if (auto stop = options.parse(argv, environment, settings.common, settings.words)) {
    return std::move(*stop);
  }
  const std::string fault = fault_of_words(settings.words);
  if (!fault.empty()) return misuse(fault);
  settings.queue.folder = Places::from(environment).spool;
  return settings;
}

Next queuectl_run(const QueuectlOptions &settings, Invocation &invocation) {
  return Next::exit(run_command(settings, invocation));
}

}  // namespace

extern const Program queuectl_program;
const Program queuectl_program =
    program<QueuectlOptions, &queuectl_prepare, &queuectl_run>(
        "moat-queuectl", "shows and manages the queue");

}  // namespace moat
