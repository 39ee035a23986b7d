#include <vector>

#include "cmd/queue/backend.h"
#include "cmd/queue/outcome.h"

namespace moat {
namespace {

// A group is bounded so that its transaction stays short and its memory small.
constexpr std::size_t most_messages = 256;
constexpr std::uint64_t most_octets = std::uint64_t{32} << 20U;

constexpr std::int64_t leftovers_every = 3'600'000;  // milliseconds

class QueueBackend final : public Backend {
 public:
  QueueBackend(const QueueOptions &options, std::unique_ptr<QueueStore> store,
               Invocation &invocation)
      : options_(options), store_(std::move(store)), invocation_(invocation) {
    remove_leftovers();
  }

  void take(Submission submission) override {
    octets_ += submission.size;
    group_.push_back(std::move(submission));
  }

  bool has_room() const override {
    return group_.size() < most_messages && octets_ < most_octets;
  }

  void end_turn() override {
    if (Clock::boot_ms() >= leftovers_at_) remove_leftovers();
    if (!group_.empty()) queue_group();
  }

  Deadline next_deadline() const override { return Deadline::at(leftovers_at_); }
  bool idle() const override { return group_.empty(); }

 private:
  void queue_group() {
    const auto added = add({group_.data(), group_.size()});
    // A lying descriptor must not fail the others: then each stands for itself.
    if (!added && !added.error().temporary && group_.size() > 1) {
      for (const Submission &submission : group_) {
        const auto alone = add({&submission, 1});
        conclude(submission, alone, 0);
      }
    } else {
      for (std::size_t i = 0; i < group_.size(); ++i) conclude(group_[i], added, i);
    }
    group_.clear();
    octets_ = 0;
  }

  // LMDB answers nothing more once a sync has failed or damage was met; opened
  // again it knows what is on the disk.
  Status open_again() {
    if (store_ != nullptr) return done;
    auto store = QueueStore::open(options_.queue, invocation_.clock);
    if (!store) return store.error();
    store_ = std::move(*store);
    return done;
  }

  Result<std::vector<QueueId>> add(std::span<const Submission> submissions) {
    const auto opened = open_again();
    if (!opened) return opened.error();
    std::vector<NewMessage> messages;
    messages.reserve(submissions.size());
    for (const Submission &submission : submissions) {
      NewMessage message{
          submission.envelope.sender, {}, submission.session, submission.message()};
      for (const std::string &recipient : submission.envelope.recipients) {
        message.recipients.push_back({recipient});
      }
      messages.push_back(std::move(message));
    }
    auto ids = store_->add(
        messages, [&](std::size_t i) { return !submissions[i].deadline.passed(); });
    if (!ids && ids.error().temporary && ids.error().cause != Cause::busy) store_.reset();
    return ids;
  }

  void conclude(const Submission &submission, const Result<std::vector<QueueId>> &added,
                std::size_t index) {
    Log &log = invocation_.log;
    QueueAnswer outcome{queue_ok, ""};
    std::string reason;
    if (!added) {
      outcome.code = add_failure_code(added.error());
      reason = added.error().what;
    } else if ((*added)[index] == QueueId{}) {
      outcome.code = queue_timeout;
      reason = "deadline passed";
    }
    answer(submission, outcome);
    if (outcome.code == queue_ok) {
      log_queued(log, submission.session, (*added)[index], submission.size,
                 submission.envelope);
    } else {
      log_refused(log, submission.session, outcome, reason, submission.envelope);
    }
  }

  void remove_leftovers() {
    leftovers_at_ = Clock::boot_ms() + leftovers_every;
    if (!open_again()) return;
    const auto removed = store_->remove_leftovers();
    if (!removed) {
      invocation_.log.event("trouble", {{"reason", removed.error().what}});
    } else if (*removed > 0) {
      invocation_.log.event("leftovers", {{"removed", *removed}});
    }
  }

  const QueueOptions &options_;
  std::unique_ptr<QueueStore> store_;
  Invocation &invocation_;
  std::vector<Submission> group_;
  std::uint64_t octets_ = 0;
  std::int64_t leftovers_at_ = 0;
};

}  // namespace

Result<std::unique_ptr<Backend>> make_queue_backend(const QueueOptions &options,
                                                    Invocation &invocation) {
  auto store = QueueStore::open(options.queue, invocation.clock);
  if (!store) return store.error();
  return std::unique_ptr<Backend>(
      std::make_unique<QueueBackend>(options, std::move(*store), invocation));
}

}  // namespace moat
