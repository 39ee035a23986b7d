// moat-queue: puts a message into the queue.
//
// Reads: a message on descriptor 0 and its envelope on 1; with --serve the same
//        from callers at a door.
// Sets:  for the filters behind --serve, the session's variables.
// Then:  exits with the code of the qmail-queue interface.

#include "cmd/queue/injection.h"
#include "cmd/queue/server.h"
#include "cmd/queue/settings.h"
#include "libcommon/base/places.h"
#include "libcommon/process/door.h"
#include "libcommon/process/invocation.h"
#include "libcommon/process/program.h"

namespace moat {
namespace {

constexpr std::uint64_t gibi = std::uint64_t{1} << 30U;

void declare(Options &options, QueueOptions &settings) {
  options.text("via", "PATH", settings.via, "hand the message through the door at PATH");
  options.command_line_only();
  options.text("serve", "PATH", settings.serve, "take messages at a door at PATH");
  options.command_line_only();
  options.list("from", "USER,...|any", settings.from, "who may call at the door");
  options.command_line_only();
  options.size("max-size", "SIZE", settings.max_size, 1, 16 * gibi, "largest message");
  options.number("max-recipients", "N", settings.max_recipients, 1, 1'000'000,
                 "most recipients of a message");
  options.size("max-queue", "SIZE", settings.queue.map_size, 1U << 20U, 1024 * gibi,
               "largest queue.mdb");
  options.size("inline", "SIZE", settings.queue.inline_size, 0, 1U << 24U,
               "larger messages get a file of their own");
  options.duration("write-wait", "TIME", settings.queue.write_wait, Milliseconds(0),
                   Milliseconds(3'600'000), "how long to wait for other writers");
  options.number("max-callers", "N", settings.max_callers, 1, 100'000,
                 "most callers that have sent nothing yet");
  options.duration("request-timeout", "TIME", settings.request_timeout, Milliseconds(1),
                   Milliseconds(3'600'000), "how long a caller may send nothing");
  options.number("max-children", "N", settings.max_children, 1, 10'000,
                 "most messages in PROGRAM at a time");
  options.duration("timeout", "TIME", settings.timeout, Milliseconds(1),
                   Milliseconds(86'400'000), "how long PROGRAM may take for one");
}

Prepared<QueueOptions> queue_prepare(const Argv &argv, const Environment &environment) {
  QueueOptions settings;
  Options options("moat-queue", {"OPTIONS [PROGRAM ...]"},
                  "Puts a message into the queue, durably, as qmail-queue does: the\n"
                  "message on descriptor 0, its envelope on 1.");
  declare(options, settings);
  if (auto stop = options.parse(argv, environment, settings.common, settings.next)) {
    return std::move(*stop);
  }
  for (std::string *path : {&settings.via, &settings.serve}) {
    if (path->empty()) continue;
    const auto door = door_path(*path);
    if (!door) return misuse("no path of a socket: \"" + *path + "\"");
    *path = *door;
  }
  if (!settings.via.empty() && !settings.serve.empty()) {
    return misuse("--via and --serve exclude each other");
  }
  if (settings.serve.empty() && !settings.next.empty()) {
    return misuse("PROGRAM stands behind --serve alone");
  }
  settings.queue.folder = Places::from(environment).spool;
  return settings;
}

Next queue_run(const QueueOptions &settings, Invocation &invocation) {
  if (!settings.serve.empty()) return serve_queue(settings, invocation);
  return Next::exit(inject(settings, invocation));
}

}  // namespace

extern const Program queue_program;
const Program queue_program = program<QueueOptions, &queue_prepare, &queue_run>(
    "moat-queue", "puts a message into the queue, durably");

}  // namespace moat
