#include "cmd/queuectl/commands.h"

#include <unistd.h>

#include <array>
#include <functional>
#include <optional>

#include "cmd/queuectl/text.h"
#include "libcommon/base/io.h"
#include "libcommon/queue/salvage.h"

namespace moat {
namespace {

constexpr std::size_t piece_size = 65536;

struct Word {
  std::string_view word;
  bool takes_id;
  bool takes_all;
};
constexpr std::array<Word, 9> known{{{"list", false, false},
                                     {"show", true, false},
                                     {"retry", true, true},
                                     {"hold", true, true},
                                     {"release", true, true},
                                     {"remove", true, true},
                                     {"stats", false, false},
                                     {"check", false, false},
                                     {"salvage", false, false}}};

// How a command ends that could not do its work.
int failure(const Invocation &invocation, const Error &error) {
  invocation.log.fatal(error.what);
  return error.temporary ? exit_temporary : exit_permanent;
}

bool print(const std::string &text) { return bool{write_all(STDOUT_FILENO, text)}; }

int list(const QueueStore &queue, const Invocation &invocation) {
  bool written = true;
  const auto damaged = queue.each([&](const QueuedMessage &message) {
    written = print(list_text(message));
    return written;
  });
  if (!damaged) return failure(invocation, damaged.error());
  if (!written) return exit_temporary;
  if (*damaged == 0) return exit_ok;
  invocation.log.say(std::to_string(*damaged) +
                     " messages are damaged: see moat-queuectl check");
  return exit_found;
}

// Octets that go to a terminal could do things to it.
int print_body(const QueuedBody &body, const Invocation &invocation) {
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  const auto put = [terminal](std::string_view octets) {
    return print(terminal ? printable(octets, true) : std::string(octets));
  };
  if (!body.file) return put(body.octets) ? exit_ok : exit_temporary;
  std::array<char, piece_size> piece;
  for (;;) {
    const auto count =
        read_some(body.file.get(), piece.data(), piece.size(), Deadline::never());
    if (!count) return failure(invocation, count.error());
    if (*count == 0) return exit_ok;
    if (!put({piece.data(), *count})) return exit_temporary;
  }
}

int no_such_message(const Invocation &invocation, QueueId id) {
  invocation.log.fatal("no such message: " + id.text());
  return exit_permanent;
}

int show(const QueueStore &queue, QueueId id, const Invocation &invocation) {
  const auto message = queue.find(id);
  if (!message) return failure(invocation, message.error());
  if (!*message) return no_such_message(invocation, id);
  if (!print(show_text(**message))) return exit_temporary;
  const auto body = queue.read_body(**message);
  if (!body) return failure(invocation, body.error());
  return print_body(*body, invocation);
}

int stats(const QueueStore &queue, const Invocation &invocation) {
  const auto counted = queue.stats();
  if (!counted) return failure(invocation, counted.error());
  return print(stats_text(*counted)) ? exit_ok : exit_temporary;
}

int act(QueueStore &queue, std::string_view word, std::optional<QueueId> id,
        const Invocation &invocation) {
  const auto done_to = word == "retry"     ? queue.retry(id)
                       : word == "hold"    ? queue.hold(id)
                       : word == "release" ? queue.release(id)
                                           : queue.remove(id);
  if (!done_to) return failure(invocation, done_to.error());
  if (id && *done_to == 0) {
    const auto there = queue.find(*id);
    if (there && !*there) return no_such_message(invocation, *id);
  }
  const std::string count = std::to_string(*done_to);
  return print(count + (*done_to == 1 ? " message\n" : " messages\n")) ? exit_ok
                                                                       : exit_temporary;
}

int check(const QueueStore &queue, const Invocation &invocation) {
  const auto faults =
      queue.check([](const std::string &fault) { print(printable(fault) + "\n"); });
  if (!faults && faults.error().cause == Cause::damaged) {
    print(printable(faults.error().what) + "\n");
    return exit_found;
  }
  if (!faults) return failure(invocation, faults.error());
  if (*faults > 0) return exit_found;
  return print("whole\n") ? exit_ok : exit_temporary;
}

int salvage(const QueuectlOptions &options, const Invocation &invocation) {
  const auto saved = salvage_queue(options.queue, invocation.clock, [](const auto &line) {
    print(printable(line) + "\n");
  });
  if (!saved) return failure(invocation, saved.error());
  const bool written = print("saved=" + std::to_string(saved->messages) +
                             "\nheld=" + std::to_string(saved->held) +
                             "\nlost=" + std::to_string(saved->lost) +
                             "\nkept=" + printable(saved->kept_as) + "\n");
  if (!written) return exit_temporary;
  return saved->lost > 0 ? exit_found : exit_ok;
}

}  // namespace

std::string fault_of_words(const Argv &words) {
  if (words.empty()) return "no command (moat-queuectl --help shows them)";
  for (const Word &word : known) {
    if (words[0] != word.word) continue;
    if (!word.takes_id) {
      return words.size() == 1 ? "" : words[0] + " takes no operand";
    }
    const bool fits = words.size() == 2 &&
                      (QueueId::parse(words[1]) || (word.takes_all && words[1] == "all"));
    if (fits) return "";
    return words[0] +
           (word.takes_all ? " takes a message's id, or all" : " takes a message's id");
  }
  return "no such command: \"" + words[0] + "\"";
}

int run_command(const QueuectlOptions &options, Invocation &invocation) {
  const std::string &word = options.words[0];
  if (word == "salvage") return salvage(options, invocation);
  auto queue = QueueStore::open(options.queue, invocation.clock);
  if (!queue && word == "check" && queue.error().cause == Cause::damaged) {
    return print(printable(queue.error().what) + "\n") ? exit_found : exit_temporary;
  }
  if (!queue) return failure(invocation, queue.error());
  if (word == "list") return list(**queue, invocation);
  if (word == "stats") return stats(**queue, invocation);
  if (word == "check") return check(**queue, invocation);
  const auto id = QueueId::parse(options.words[1]);
  if (word == "show") return show(**queue, *id, invocation);
  return act(**queue, word, id, invocation);
}

}  // namespace moat
