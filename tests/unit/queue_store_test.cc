// The queue store: what it keeps, in one step or not at all.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "libcommon/base/io.h"
#include "libcommon/queue/memory_file.h"
#include "libcommon/queue/salvage.h"
#include "libcommon/queue/store.h"
#include "tests/unit/check.h"

using namespace moat;

namespace {

constexpr auto same = static_cast<uid_t>(-1);
const std::string large(400'000, 'L');

// A queue that goes with the test.
class Scratch {
 public:
  Scratch() {
    std::array<char, 32> name{"/tmp/moat-queue-XXXXXX"};
    path_ = ::mkdtemp(name.data());
    settings_.folder = path_ + "/spool";
    CHECK(QueueStore::create(settings_, same, same));
    open();
  }
  Scratch(const Scratch &) = delete;
  Scratch &operator=(const Scratch &) = delete;
  ~Scratch() {
    queue_.reset();
    std::filesystem::remove_all(path_);
  }

  void open(std::int64_t offset = 0) {
    queue_.reset();
    auto opened = QueueStore::open(settings_, Clock(offset));
    CHECK(opened);
    queue_ = std::move(*opened);
  }
  void close() { queue_.reset(); }

  QueueStore &queue() { return *queue_; }
  QueueSettings &settings() { return settings_; }
  std::string file(const std::string &name) const {
    return settings_.folder + "/" + name;
  }
  std::size_t bodies() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(file("mess")), {}));
  }

 private:
  std::string path_;
  QueueSettings settings_;
  std::unique_ptr<QueueStore> queue_;
};

NewMessage message_to(std::vector<std::string> recipients, std::string_view octets) {
  NewMessage message{"a@b", {}, {}, {octets}};
  for (std::string &recipient : recipients) message.recipients.push_back({recipient});
  return message;
}

QueueId added(QueueStore &queue, const NewMessage &message) {
  const auto ids = queue.add({&message, 1});
  CHECK(ids && ids->size() == 1);
  return ids ? ids->front() : QueueId{};
}

QueuedMessage found(const QueueStore &queue, QueueId id) {
  const auto message = queue.find(id);
  CHECK(message && *message);
  return message && *message ? **message : QueuedMessage{};
}

std::string octets_of(const QueueStore &queue, QueueId id) {
  auto body = queue.read_body(found(queue, id));
  if (!body) return "(error) " + body.error().what;
  if (!body->file) return body->octets;
  return *read_all(body->file.get(), body->size);
}

std::vector<DueRecipient> due(const QueueStore &queue, std::int64_t now) {
  std::vector<DueRecipient> all;
  CHECK(queue.each_due(now, [&](const DueRecipient &one) {
    all.push_back(one);
    return true;
  }));
  return all;
}

std::uint64_t faults(const QueueStore &queue) {
  const auto count =
      queue.check([](const std::string &fault) { std::printf("# %s\n", fault.c_str()); });
  return count ? *count : 1;
}

const std::int64_t now = Clock().wall_seconds();

void keeps_what_was_added() {
  Scratch scratch;
  NewMessage message = message_to({"c@d", "e@f"}, "hello");
  message.session.set("TCPREMOTEIP", "192.0.2.1");
  message.session.set("MOAT_DEADLINE", "1");
  message.session.set("HOME", "/root");
  const QueueId id = added(scratch.queue(), message);
  scratch.open();
  const QueuedMessage back = found(scratch.queue(), id);
  CHECK(back.sender == "a@b" && back.size == 5 && back.file.empty());
  CHECK(back.time >= now && back.time < now + 60);
  CHECK(back.session.get("TCPREMOTEIP") == "192.0.2.1");
  CHECK(!back.session.get("MOAT_DEADLINE") && !back.session.get("HOME"));
  CHECK(back.recipients.size() == 2 && back.recipients[1].address == "e@f");
  CHECK(back.recipients[0].state == RecipientState::pending);
  CHECK(octets_of(scratch.queue(), id) == "hello");
  CHECK(due(scratch.queue(), now + 60).size() == 2);
  CHECK(due(scratch.queue(), now - 60).empty());
  CHECK(faults(scratch.queue()) == 0);
}

void keeps_an_empty_message() {
  Scratch scratch;
  const QueueId id = added(scratch.queue(), message_to({"c@d"}, ""));
  CHECK(octets_of(scratch.queue(), id).empty());
  CHECK(faults(scratch.queue()) == 0);
}

void puts_large_messages_into_files() {
  Scratch scratch;
  const std::string limit(scratch.settings().inline_size, 'i');
  const QueueId small = added(scratch.queue(), message_to({"c@d"}, limit));
  CHECK(found(scratch.queue(), small).file.empty() && scratch.bodies() == 0);
  const QueueId id = added(scratch.queue(), message_to({"c@d"}, limit + "x"));
  CHECK(!found(scratch.queue(), id).file.empty() && scratch.bodies() == 1);
  CHECK(octets_of(scratch.queue(), id) == limit + "x");
  CHECK(octets_of(scratch.queue(), small) == limit);

  CHECK(*scratch.queue().remove(id) == 1);
  CHECK(scratch.bodies() == 0 && faults(scratch.queue()) == 0);
}

void takes_descriptors_whatever_their_offset() {
  Scratch scratch;
  for (const std::string &octets : {std::string("small"), large}) {
    const auto file = memory_file("test", octets);
    ::lseek(file->get(), 3, SEEK_SET);
    NewMessage message = message_to({"c@d"}, "");
    message.body = {{}, file->get(), octets.size()};
    CHECK(octets_of(scratch.queue(), added(scratch.queue(), message)) == octets);
  }
}

void a_descriptor_shorter_than_told_leaves_nothing() {
  Scratch scratch;
  for (const std::string &octets : {std::string("small"), large}) {
    const auto file = memory_file("test", octets);
    std::array<NewMessage, 2> messages{message_to({"c@d"}, large),
                                       message_to({"c@d"}, "")};
    messages[1].body = {{}, file->get(), octets.size() + 1};
    const auto ids = scratch.queue().add(messages);
    CHECK(!ids && !ids.error().temporary);
    CHECK(scratch.bodies() == 0 && scratch.queue().stats()->messages == 0);
  }
}

void a_group_is_one_step_and_ids_rise() {
  Scratch scratch;
  std::vector<NewMessage> messages(50, message_to({"c@d"}, "x"));
  const auto ids = scratch.queue().add(messages);
  CHECK(ids && ids->size() == 50);
  for (std::size_t i = 1; i < ids->size(); ++i) CHECK((*ids)[i - 1] < (*ids)[i]);
  const QueueId last = ids->back();
  CHECK(*scratch.queue().remove(std::nullopt) == 50);
  scratch.open(-1'000'000);  // a clock that went back gives no id twice
  CHECK(added(scratch.queue(), message_to({"c@d"}, "x")) > last);
}

void what_is_not_to_be_seen_stays_out() {
  Scratch scratch;
  std::array<NewMessage, 3> messages{message_to({"c@d"}, "1"), message_to({"c@d"}, large),
                                     message_to({"c@d"}, "3")};
  const auto ids =
      scratch.queue().add(messages, [](std::size_t index) { return index != 1; });
  CHECK(ids && (*ids)[0].value != 0 && (*ids)[1].value == 0 && (*ids)[2].value != 0);
  CHECK(scratch.queue().stats()->messages == 2 && scratch.bodies() == 0);
}

void the_first_due_comes_first_and_next_due_tells_when() {
  Scratch scratch;
  const QueueId id = added(scratch.queue(), message_to({"c@d", "e@f", "g@h"}, "x"));
  QueueChange change{id};
  change.recipients = {{0, RecipientState::pending, "later", 1, now + 900},
                       {1, RecipientState::pending, "soon", 1, now + 300},
                       {2, RecipientState::delivered, "ok", 1}};
  const auto changed = scratch.queue().apply({&change, 1});
  CHECK(changed && changed->front().found);
  CHECK(due(scratch.queue(), now + 60).empty());
  CHECK(scratch.queue().next_due(now)->value() == now + 300);
  CHECK(scratch.queue().next_due(now + 300)->value() == now + 900);
  CHECK(!scratch.queue().next_due(now + 900)->has_value());
  const auto all = due(scratch.queue(), now + 1000);
  CHECK(all.size() == 2 && all[0].number == 1 && all[1].number == 0);
  CHECK(found(scratch.queue(), id).recipients[2].state == RecipientState::delivered);
  CHECK(faults(scratch.queue()) == 0);
}

void each_due_goes_through_more_than_a_batch_and_stops_when_told() {
  Scratch scratch;
  std::vector<std::string> many(1000, "c@d");
  added(scratch.queue(), message_to(many, "x"));
  CHECK(due(scratch.queue(), now + 60).size() == 1000);
  int calls = 0;
  CHECK(scratch.queue().each_due(now + 60,
                                 [&](const DueRecipient &) { return ++calls < 300; }));
  CHECK(calls == 300);
}

void an_expansion_is_one_step_with_what_it_replaces() {
  Scratch scratch;
  for (const std::string &octets : {std::string("small"), large}) {
    const QueueId id = added(scratch.queue(), message_to({"alias@d", "list@d"}, octets));
    QueueChange change{id};
    change.recipients = {{0, RecipientState::replaced, "", 0},
                         {1, RecipientState::replaced, "", 0}};
    change.add_recipients = {{"x@y", "alias@d"}, {"z@y", "alias@d"}};
    NewMessage copy{"owner@d", {{"m1@y", "list@d"}, {"m2@y", "list@d"}}};
    copy.body_of = id;
    change.add_messages = {copy};
    const auto changed = scratch.queue().apply({&change, 1});
    CHECK(changed && changed->front().found);
    CHECK((changed->front().recipients == std::vector<std::uint32_t>{2, 3}));
    const QueueId list = changed->front().messages.at(0);
    CHECK(found(scratch.queue(), id).recipients[3].origin == "alias@d");
    CHECK(found(scratch.queue(), list).sender == "owner@d");

    // Each has its octets for itself.
    CHECK(*scratch.queue().remove(id) == 1);
    CHECK(octets_of(scratch.queue(), list) == octets);
    CHECK(faults(scratch.queue()) == 0);
    CHECK(*scratch.queue().remove(list) == 1);
    CHECK(scratch.bodies() == 0);
  }
}

void a_bounce_comes_as_its_message_goes() {
  Scratch scratch;
  const QueueId id = added(scratch.queue(), message_to({"c@d"}, large));
  QueueChange change{id};
  change.recipients = {{0, RecipientState::failed, "550 no", 1}};
  change.add_messages = {NewMessage{"", {{"a@b"}}, {}, {"a report"}}};
  change.remove = true;
  const auto changed = scratch.queue().apply({&change, 1});
  CHECK(changed && changed->front().messages.size() == 1);
  CHECK(!*scratch.queue().find(id) && scratch.bodies() == 0);
  CHECK(octets_of(scratch.queue(), changed->front().messages[0]) == "a report");
  CHECK(faults(scratch.queue()) == 0);
}

void a_change_to_a_message_that_is_gone_does_nothing() {
  Scratch scratch;
  const QueueId gone = added(scratch.queue(), message_to({"c@d"}, large));
  const QueueId here = added(scratch.queue(), message_to({"c@d"}, "x"));
  CHECK(*scratch.queue().remove(gone) == 1);
  std::array<QueueChange, 2> changes{QueueChange{gone}, QueueChange{here}};
  changes[0].add_recipients = {{"x@y"}};
  changes[0].add_messages = {message_to({"x@y"}, large), message_to({"x@y"}, "")};
  changes[0].add_messages[1].body_of = gone;
  changes[1].recipients = {{0, RecipientState::delivered, "ok", 1}};
  const auto changed = scratch.queue().apply(changes);
  CHECK(changed && !(*changed)[0].found && (*changed)[1].found);
  CHECK((*changed)[0].messages.empty() && (*changed)[0].recipients.empty());
  CHECK(scratch.queue().stats()->messages == 1 && scratch.bodies() == 0);
  CHECK(faults(scratch.queue()) == 0);
}

void a_hold_outlasts_what_send_says_and_ends_by_release() {
  Scratch scratch;
  const QueueId id = added(scratch.queue(), message_to({"c@d", "e@f"}, "x"));
  CHECK(*scratch.queue().hold(id) == 1);
  CHECK(*scratch.queue().hold(id) == 0);
  CHECK(due(scratch.queue(), now + 60).empty());
  QueueChange change{id};
  change.recipients = {{0, RecipientState::pending, "451 later", 1, now - 10}};
  CHECK(scratch.queue().apply({&change, 1}));
  CHECK(due(scratch.queue(), now + 60).empty());
  CHECK(*scratch.queue().retry(id) == 0);
  CHECK(faults(scratch.queue()) == 0);
  CHECK(*scratch.queue().release(std::nullopt) == 1);
  CHECK(due(scratch.queue(), now + 60).size() == 2);
  CHECK(faults(scratch.queue()) == 0);
}

void a_retry_makes_due_what_waits() {
  Scratch scratch;
  const QueueId id = added(scratch.queue(), message_to({"c@d"}, "x"));
  QueueChange change{id};
  change.recipients = {{0, RecipientState::pending, "451 later", 1, now + 86400}};
  CHECK(scratch.queue().apply({&change, 1}));
  CHECK(due(scratch.queue(), now + 60).empty());
  CHECK(*scratch.queue().retry(std::nullopt) == 1);
  CHECK(due(scratch.queue(), now + 60).size() == 1);
  CHECK(*scratch.queue().retry(QueueId{1}) == 0);
}

void acts_on_more_messages_than_one_transaction_takes() {
  Scratch scratch;
  std::vector<NewMessage> messages(700, message_to({"c@d"}, "x"));
  CHECK(scratch.queue().add(messages));
  CHECK(*scratch.queue().hold(std::nullopt) == 700);
  CHECK(scratch.queue().stats()->held == 700);
  CHECK(*scratch.queue().remove(std::nullopt) == 700);
  CHECK(scratch.queue().stats()->messages == 0);
}

void whoever_watches_is_woken() {
  Scratch scratch;
  const auto watch = QueueStore::watch(scratch.settings());
  CHECK(watch);
  const auto woken = [&] {
    const auto ready = wait_readable(watch->get(), Deadline::after(Milliseconds(0)));
    QueueStore::drain_watch(watch->get());
    return ready && *ready;
  };
  CHECK(!woken());
  const QueueId id = added(scratch.queue(), message_to({"c@d"}, "x"));
  CHECK(woken() && !woken());
  QueueChange change{id};
  change.recipients = {{0, RecipientState::pending, "451 later", 1, now + 900}};
  CHECK(scratch.queue().apply({&change, 1}) && !woken());
  CHECK(*scratch.queue().retry(id) == 1 && woken());
  change.add_recipients = {{"x@y"}};
  CHECK(scratch.queue().apply({&change, 1}) && woken());
}

void a_full_map_leaves_nothing() {
  Scratch scratch;
  scratch.settings().map_size = std::uint64_t{1} << 20U;
  scratch.open();
  const std::string octets(50'000, 'x');
  std::vector<NewMessage> messages(40, message_to({"c@d"}, octets));
  messages.push_back(message_to({"c@d"}, large));
  const auto ids = scratch.queue().add(messages);
  CHECK(!ids && ids.error().temporary && ids.error().cause == Cause::full);
  CHECK(scratch.queue().stats()->messages == 0 && scratch.bodies() == 0);
  CHECK(scratch.queue().add({messages.data(), 5}));
  CHECK(faults(scratch.queue()) == 0);
}

void a_file_that_cannot_grow_leaves_nothing() {
  Scratch scratch;
  struct sigaction before{};
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGXFSZ, &ignore, &before);
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{100'000, limit.rlim_max};
  for (const std::string &octets : {large, std::string(60'000, 'x')}) {
    std::vector<NewMessage> messages(3, message_to({"c@d"}, octets));
    ::setrlimit(RLIMIT_FSIZE, &small);
    const auto ids = scratch.queue().add(messages);
    ::setrlimit(RLIMIT_FSIZE, &limit);
    CHECK(!ids && ids.error().temporary);
    scratch.open();
    CHECK(scratch.queue().stats()->messages == 0 && scratch.bodies() == 0);
    CHECK(faults(scratch.queue()) == 0);
  }
  ::sigaction(SIGXFSZ, &before, nullptr);
}

void leftovers_go_after_36_hours_and_nothing_else_does() {
  Scratch scratch;
  const QueueId id = added(scratch.queue(), message_to({"c@d"}, large));
  std::ofstream(scratch.file("mess/0123456789abcdef01234567")) << "half a message";
  CHECK(*scratch.queue().remove_leftovers() == 0 && scratch.bodies() == 2);
  scratch.open(std::int64_t{35} * 3600);
  CHECK(*scratch.queue().remove_leftovers() == 0 && scratch.bodies() == 2);
  scratch.open(std::int64_t{37} * 3600);
  CHECK(*scratch.queue().remove_leftovers() == 1 && scratch.bodies() == 1);
  CHECK(octets_of(scratch.queue(), id) == large);
}

void damaged_octets_are_found() {
  Scratch scratch;
  const QueueId id = added(scratch.queue(), message_to({"c@d"}, large));
  const std::string path = scratch.file("mess/" + found(scratch.queue(), id).file);
  std::fstream(path, std::ios::in | std::ios::out).seekp(100'000).put('!');
  const auto body = scratch.queue().read_body(found(scratch.queue(), id));
  CHECK(!body && body.error().temporary && body.error().cause == Cause::damaged);
  CHECK(faults(scratch.queue()) == 1);
  CHECK(::truncate(path.c_str(), 10) == 0);
  CHECK(!scratch.queue().read_body(found(scratch.queue(), id)));
  CHECK(::unlink(path.c_str()) == 0);
  CHECK(!scratch.queue().read_body(found(scratch.queue(), id)));
  CHECK(faults(scratch.queue()) == 1);
}

void a_missing_queue_is_never_made_by_accident() {
  QueueSettings settings;
  settings.folder = "/tmp/moat-no-such-queue";
  const auto opened = QueueStore::open(settings, Clock());
  CHECK(!opened && opened.error().temporary && opened.error().cause == Cause::missing);
}

}  // namespace

int main() {
  keeps_what_was_added();
  keeps_an_empty_message();
  puts_large_messages_into_files();
  takes_descriptors_whatever_their_offset();
  a_descriptor_shorter_than_told_leaves_nothing();
  a_group_is_one_step_and_ids_rise();
  what_is_not_to_be_seen_stays_out();
  the_first_due_comes_first_and_next_due_tells_when();
  each_due_goes_through_more_than_a_batch_and_stops_when_told();
  an_expansion_is_one_step_with_what_it_replaces();
  a_bounce_comes_as_its_message_goes();
  a_change_to_a_message_that_is_gone_does_nothing();
  a_hold_outlasts_what_send_says_and_ends_by_release();
  a_retry_makes_due_what_waits();
  acts_on_more_messages_than_one_transaction_takes();
  whoever_watches_is_woken();
  a_full_map_leaves_nothing();
  a_file_that_cannot_grow_leaves_nothing();
  leftovers_go_after_36_hours_and_nothing_else_does();
  damaged_octets_are_found();
  a_missing_queue_is_never_made_by_accident();
  return test::done();
}
