#include <unistd.h>

#include <deque>
#include <list>
#include <utility>

#include "cmd/queue/backend.h"
#include "cmd/queue/outcome.h"
#include "libcommon/message/spool.h"
#include "libcommon/queue/body_folder.h"
#include "libcommon/queue/memory_file.h"
#include "libcommon/queue/queue_program.h"

namespace moat {
namespace {

constexpr std::size_t piece_size = std::size_t{64} << 10U;

// A message as the filters get it: ours alone, so that nobody changes it, or
// where it is read, behind a filter's back.
struct OwnFiles {
  SpooledMessage spool;
  Fd memory;
  Fd envelope;
  int message() const { return spool.in_file() ? spool.fd() : memory.get(); }
};

Status copy_message(const Submission &submission, SpooledMessage &spool) {
  if (!submission.file) return spool.append(submission.octets);
  std::string piece(piece_size, '\0');
  for (std::uint64_t at = 0; at < submission.size;) {
    const auto count =
        ::pread(submission.file.get(), piece.data(),
                std::min<std::uint64_t>(piece.size(), submission.size - at),
                static_cast<off_t>(at));
    if (count < 0) return system_error("read message");
    if (count == 0) return permanent_error("message shorter than its size");
    const auto octets = static_cast<std::size_t>(count);
    const auto added = spool.append({piece.data(), octets});
    if (!added) return added;
    at += octets;
  }
  return done;
}

Status make_files(const Submission &submission, OwnFiles &files) {
  auto copied = copy_message(submission, files.spool);
  if (!copied) return copied;
  if (!files.spool.in_file()) {
    auto memory = memory_file("message", files.spool.text());
    if (!memory) return memory.error();
    files.memory = std::move(*memory);
  } else if (::lseek(files.spool.fd(), 0, SEEK_SET) != 0) {
    return system_error("lseek");
  }
  auto envelope = memory_file("envelope", envelope_text(submission.envelope));
  if (!envelope) return envelope.error();
  files.envelope = std::move(*envelope);
  return done;
}

// What of our own environment the filters get: no session's but the message's.
Environment base_environment(const Environment &own) {
  Environment base = own;
  for (const char *prefix : {"TCP", "SSL", "SMTPAUTH"}) base.unset_prefix(prefix);
  for (const char *name :
       {"PROTO", "RELAYCLIENT", "RBLSMTPD", "MOAT_SESSION", "MOAT_HELO", "MOAT_PTR",
        "MOAT_SCORE", "MOAT_TAGS", "MOAT_VERDICT", "MOAT_TARPIT", "MOAT_DEADLINE",
        "MOAT_HANDOVER", "ERROR_FD"}) {
    base.unset(name);
  }
  return base;
}

class FilterBackend final : public Backend {
 public:
  FilterBackend(const QueueOptions &options, Invocation &invocation, EventLoop &loop)
      : options_(options),
        invocation_(invocation),
        loop_(loop),
        base_(base_environment(invocation.env)),
        folder_(invocation.env.get_or("TMPDIR", "/tmp")) {}

  ~FilterBackend() override {
    for (Running &running : running_) forget(running);
  }

  void take(Submission submission) override { waiting_.push_back(std::move(submission)); }

  bool has_room() const override {
    return running_.size() + waiting_.size() < options_.max_children;
  }

  void end_turn() override {
    for (auto place = running_.begin(); place != running_.end();) {
      const auto next = std::next(place);
      if (place->deadline.passed()) conclude(place, place->program.abandon());
      place = next;
    }
    while (!waiting_.empty() && running_.size() < options_.max_children) {
      Submission submission = std::move(waiting_.front());
      waiting_.pop_front();
      start(std::move(submission));
    }
  }

  Deadline next_deadline() const override {
    Deadline next = Deadline::never();
    for (const Running &running : running_) next = min(next, running.deadline);
    return next;
  }

  bool idle() const override { return running_.empty() && waiting_.empty(); }

 private:
  struct Running {
    Submission submission;
    QueueProgram program;
    Deadline deadline;
  };

  void start(Submission submission) {
    const Deadline deadline = min(Deadline::after(options_.timeout), submission.deadline);
    if (deadline.passed()) {
      return refuse(submission, {queue_timeout, ""}, "deadline passed");
    }
    OwnFiles files{SpooledMessage(folder_), Fd(), Fd()};
    const auto made = make_files(submission, files);
    if (!made) {
      const int code = made.error().temporary ? queue_write_error : queue_read_error;
      return refuse(submission, {code, ""}, made.error().what);
    }
    Environment environment = base_;
    submission.session.each("", [&](std::string_view name, std::string_view value) {
      environment.set(name, value);
    });
    auto program = QueueProgram::start(options_.next, environment, files.message(),
                                       files.envelope.get(), deadline);
    if (!program) return refuse(submission, {queue_internal, ""}, program.error().what);
    running_.push_back({std::move(submission), std::move(*program), deadline});
    watch(std::prev(running_.end()));
  }

  void watch(std::list<Running>::iterator place) {
    const int text = place->program.text_fd();
    const bool watched = loop_.add(place->program.pidfd(), [this, place] {
      conclude(place, place->program.finish());
    }) && loop_.add(text, [this, place, text] {
      if (!place->program.read_text()) loop_.remove(text);
    });
    if (!watched) conclude(place, place->program.abandon());
  }

  void conclude(std::list<Running>::iterator place, const QueueAnswer &ending) {
    Log &log = invocation_.log;
    forget(*place);
    const Submission submission = std::move(place->submission);
    running_.erase(place);
    if (ending.code != queue_ok) return refuse(submission, ending, "filter");
    answer(submission, ending);
    log.detail("passed", {{"bytes", submission.size}});
  }

  void forget(Running &running) {
    loop_.remove(running.program.pidfd());
    loop_.remove(running.program.text_fd());
  }

  void refuse(const Submission &submission, const QueueAnswer &outcome,
              std::string_view reason) {
    answer(submission, outcome);
    log_refused(invocation_.log, submission.session, outcome, reason,
                submission.envelope);
  }

  const QueueOptions &options_;
  Invocation &invocation_;
  EventLoop &loop_;
  Environment base_;
  std::string folder_;
  std::deque<Submission> waiting_;
  std::list<Running> running_;
};

}  // namespace

std::unique_ptr<Backend> make_filter_backend(const QueueOptions &options,
                                             Invocation &invocation, EventLoop &loop) {
  return std::make_unique<FilterBackend>(options, invocation, loop);
}

}  // namespace moat
