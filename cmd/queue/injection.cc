#include "cmd/queue/injection.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <optional>

#include "cmd/queue/outcome.h"
#include "libcommon/base/io.h"
#include "libcommon/message/spool.h"
#include "libcommon/queue/envelope.h"
#include "libcommon/queue/error_text.h"
#include "libcommon/queue/session.h"

namespace moat {
namespace {

constexpr Milliseconds one_day{86'400'000};
constexpr std::size_t piece_size = 65536;

int read_failure_code(const Error &error) {
  return error.what == "timed out" ? queue_timeout : queue_read_error;
}

// Who waits for a descriptor that can only be written waits for ever.
bool is_readable(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_WRONLY;
}

// Whether descriptor 0 is a file that can be used as it is: regular, and read
// from its start.
std::optional<Message> message_in_file() {
  struct stat info{};
  if (::fstat(STDIN_FILENO, &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  if (!is_readable(STDIN_FILENO)) return std::nullopt;
  if (::lseek(STDIN_FILENO, 0, SEEK_CUR) != 0) return std::nullopt;
  return Message{{}, STDIN_FILENO, static_cast<std::uint64_t>(info.st_size)};
}

// Reads descriptor 0 to its end. Returns 0 or the exit code.
int read_message(SpooledMessage &spool, std::uint64_t max_size, Deadline deadline) {
  if (!is_readable(STDIN_FILENO)) return queue_read_error;
  std::array<char, piece_size> piece;
  for (;;) {
    const auto count = read_some(STDIN_FILENO, piece.data(), piece.size(), deadline);
    if (!count) return read_failure_code(count.error());
    if (*count == 0) return queue_ok;
    if (!spool.append({piece.data(), *count})) return queue_write_error;
    if (spool.size() > max_size) return queue_ok;  // the caller looks at the size
  }
}

// Reads descriptor 1 up to the envelope's end, no further.
int read_envelope(EnvelopeReader &reader, Deadline deadline) {
  if (!is_readable(STDOUT_FILENO)) return queue_bad_envelope;
  std::array<char, piece_size> piece;
  for (;;) {
    const auto count = read_some(STDOUT_FILENO, piece.data(), piece.size(), deadline);
    if (!count) return read_failure_code(count.error());
    if (*count == 0) return reader.code();
    if (reader.take({piece.data(), *count}) != EnvelopeReader::State::more) {
      return reader.code();
    }
  }
}

// Where a message that is too big for memory waits until it is queued.
std::string spool_folder(const QueueOptions &options, const Environment &environment) {
  if (options.via.empty()) return options.queue.folder + "/mess";
  return std::string(environment.get_or("TMPDIR", "/tmp"));
}

QueueAnswer queue_it(const QueueOptions &options, Invocation &invocation,
                     const Message &message, const Envelope &envelope,
                     Deadline deadline) {
  const Environment session = session_of(invocation.env);
  const auto refused = [&](int code, std::string_view why) {
    log_refused(invocation.log, session, {code, ""}, why, envelope);
    return QueueAnswer{code, ""};
  };
  auto store = QueueStore::open(options.queue, invocation.clock);
  if (!store) return refused(open_failure_code(store.error()), store.error().what);

  NewMessage added{envelope.sender, {}, session, message};
  for (const std::string &recipient : envelope.recipients) {
    added.recipients.push_back({recipient});
  }
  const auto ids =
      (*store)->add({&added, 1}, [&](std::size_t) { return !deadline.passed(); });
  if (!ids) return refused(add_failure_code(ids.error()), ids.error().what);
  if (ids->front() == QueueId{}) return refused(queue_timeout, "deadline passed");
  const auto size = message.fd < 0 ? message.octets.size() : message.size;
  log_queued(invocation.log, session, ids->front(), size, envelope);
  return {queue_ok, ""};
}

// Says what a door answered in the words that our own caller understands.
int pass_on(const QueueAnswer &answer, const Environment &environment,
            Deadline deadline) {
  const bool has_text = answer.code == queue_text || answer.code == queue_text_fd;
  if (has_text && !answer.text.empty()) {
    return refuse_with_text(environment, answer.text[0] == 'D', answer.text.substr(1));
  }
  if (answer.code < 0 && deadline.passed()) return queue_timeout;
  if (has_text || answer.code < 0) return queue_internal;
  return answer.code;
}

}  // namespace

int inject(const QueueOptions &options, Invocation &invocation) {
  const Deadline deadline = min(Deadline::after(one_day), deadline_of(invocation.env));
  SpooledMessage spool(spool_folder(options, invocation.env));
  auto message = message_in_file();
  if (!message) {
    const int code = read_message(spool, options.max_size, deadline);
    if (code != queue_ok) return code;
    message = spool.in_file() ? Message{{}, spool.fd(), spool.size()}
                              : Message{spool.text(), -1, spool.size()};
  }
  // Before the envelope: whoever still writes the message does not get there.
  const auto size = message->fd < 0 ? message->octets.size() : message->size;
  if (size > options.max_size) {
    return refuse_with_text(invocation.env, true, "5.3.4 message too large");
  }
  EnvelopeReader reader(options.max_recipients);
  const int code = read_envelope(reader, deadline);
  if (code != queue_ok) return code;
  if (options.via.empty()) {
    return queue_it(options, invocation, *message, reader.envelope(), deadline).code;
  }
  const QueueAnswer answer =
      submit_at_door(options.via, *message, reader.envelope(), invocation.env, deadline);
  return pass_on(answer, invocation.env, deadline);
}

}  // namespace moat
