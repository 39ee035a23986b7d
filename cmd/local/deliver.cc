#include "cmd/local/deliver.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "libcommon/base/io.h"
#include "libcommon/process/user.h"

namespace moat {
namespace {

constexpr std::size_t max_answer = 1024;

Outcome deliver_here(const std::string &folder, const LocalMail &mail,
                     const LocalSettings &settings) {
  if (settings.create && !is_maildir(folder)) {
    const auto made = make_maildir(folder);
    if (!made) return Outcome::defer("4.2.1", made.error().what);
  }
  return deliver_to_maildir(folder, mail, settings.host);
}

// The child's part. It never returns: what it is now no other code should be.
[[noreturn]] void deliver_and_exit(int answer, const std::string &folder,
                                   const LocalMail &mail, Delivery::Owner owner,
                                   const LocalSettings &settings) {
  const auto become = become_user({"", owner.uid, owner.gid, {}});
  const Outcome outcome = become ? deliver_here(folder, mail, settings)
                                 : Outcome::defer("4.3.0", become.error().what);
  const auto sent = write_all(answer, outcomes_text({outcome}));
  ::_exit(sent ? 0 : 1);
}

// Waits for the child, which is killed when its time is up.
Outcome outcome_of(pid_t child, int answer, const LocalSettings &settings) {
  const auto text = read_all(answer, max_answer, Deadline::after(settings.timeout));
  if (!text) ::kill(child, SIGKILL);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!text) return Outcome::defer("4.3.0", "delivery " + text.error().what);
  const auto outcomes = parse_outcomes(*text, 1);
  if (!outcomes) return Outcome::defer("4.3.0", "delivery process crashed");
  return outcomes->front();
}

Outcome deliver_in_child(const std::string &folder, const LocalMail &mail,
                         Delivery::Owner owner, const LocalSettings &settings) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return Outcome::defer("4.3.0", system_error("pipe").what);
  }
  const Fd answer(ends[0]);
  Fd to_parent(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return Outcome::defer("4.3.0", system_error("fork").what);
  if (child == 0) deliver_and_exit(to_parent.get(), folder, mail, owner, settings);
  to_parent.reset();
  return outcome_of(child, answer.get(), settings);
}

}  // namespace

Outcome deliver_as_owner(const std::string &folder, const LocalMail &mail,
                         std::optional<Delivery::Owner> owner,
                         const LocalSettings &settings) {
  if (::geteuid() != 0) return deliver_here(folder, mail, settings);
  if (!owner) {
    struct stat there{};
    if (::stat(folder.c_str(), &there) != 0) {
      return Outcome::defer("4.2.1", "mailbox is missing");
    }
    owner = Delivery::Owner{there.st_uid, there.st_gid};
  }
  if (owner->uid < settings.min_uid || owner->uid == 0 || owner->gid == 0) {
    return Outcome::defer(
        "4.3.5", "mailbox belongs to the group root or to a user below --min-uid");
  }
  return deliver_in_child(folder, mail, *owner, settings);
}

std::string LocalWorker::answer(Packet request, int /*door*/, int /*stop*/) {
  const auto delivery = parse_delivery(request.octets);
  struct stat message{};
  if (!delivery || delivery->recipients.size() != 1 || delivery->maildir.empty() ||
      request.fds.size() != 1 || ::fstat(request.fds[0].get(), &message) != 0 ||
      !S_ISREG(message.st_mode)) {
    log_.event(
        "refused",
        {{"reason", delivery ? "request" : std::string_view(delivery.error().what)}});
    return "";
  }
  LocalMail mail;
  mail.message = request.fds[0].get();
  mail.rewound = true;
  mail.name = delivery->name;
  mail.time = delivery->arrival;
  mail.sender = delivery->sender;
  mail.recipient = delivery->recipients[0];
  const Outcome outcome =
      deliver_as_owner(delivery->maildir, mail, delivery->owner, settings_);
  log_.detail("delivery", {{"name", delivery->name},
                           {"recipient", delivery->recipients[0]},
                           {"maildir", delivery->maildir},
                           {"status", outcome.status},
                           {"text", outcome.text}});
  return outcomes_text({outcome});
}

}  // namespace moat
