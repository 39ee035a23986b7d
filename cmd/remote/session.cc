#include "cmd/remote/session.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "cmd/remote/connect.h"
#include "libcommon/base/io.h"

namespace moat {
namespace {

using Stage = SmtpClient::Stage;

constexpr std::size_t piece_size = 32768;

// Told to end between the final dot and its answer, it waits for the answer so
// long: without it the message would come twice.
constexpr Milliseconds last_grace{10000};

}  // namespace

RemoteSession::RemoteSession(const SmtpRoute &route, const RemoteSettings &settings)
    : settings_(settings),
      route_(route),
      client_({settings.hello, route.text(), route.lmtp}) {}

std::vector<Outcome> RemoteSession::send(SmtpMail mail, int message,
                                         const RemoteWatch &watch) {
  message_ = message;
  offset_ = 0;
  body_ = SmtpBody();
  body_ended_ = false;
  client_.begin(std::move(mail));
  if (!fd_ && !client_.finished()) {
    auto fd = connect_to(route_, Deadline::after(settings_.connect_timeout));
    if (fd) {
      fd_ = std::move(*fd);
    } else {
      // 4.4.1 tells send that nobody is there, whoever the mail is for.
      return std::vector(client_.outcomes().size(),
                         Outcome::defer("4.4.1", route_.text() + ": " + fd.error().what));
    }
  }
  run(watch);
  return client_.outcomes();
}

Milliseconds RemoteSession::wait_for(Stage stage) const {
  switch (stage) {
    case Stage::data: return settings_.data_timeout;
    case Stage::body: return settings_.block_timeout;
    case Stage::answer: return settings_.final_timeout;
    default: return settings_.command_timeout;
  }
}

// Runs until each recipient has its outcome. The wait begins anew with each
// progress, but all of it is bounded.
void RemoteSession::run(const RemoteWatch &watch) {
  const Deadline whole = Deadline::after(settings_.mail_timeout);
  Deadline deadline = Deadline::after(wait_for(client_.stage()));
  bool stopping = false;
  while (!client_.finished() && client_.stage() != Stage::closed) {
    refill();
    const short wanted = client_.output().empty() ? POLLIN : POLLIN | POLLOUT;
    std::array<pollfd, 3> entries{pollfd{fd_.get(), wanted, 0},
                                  pollfd{watch.caller, 0, 0},
                                  pollfd{stopping ? -1 : watch.stop, POLLIN, 0}};
    const int ready =
        ::poll(entries.data(), entries.size(), min(deadline, whole).poll_timeout());
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return client_.lost("timed out");
    if (entries[1].revents != 0) return client_.lost("was not waited for");
    if (entries[2].revents != 0) {
      if (client_.stage() != Stage::answer) return client_.lost("was not waited for");
      stopping = true;
      deadline = min(deadline, Deadline::after(last_grace));
      continue;
    }
    if ((entries[0].revents & ~POLLOUT) != 0) receive();
    if ((entries[0].revents & POLLOUT) != 0) flush();
    if (!stopping) deadline = Deadline::after(wait_for(client_.stage()));
  }
  flush();
}

// Keeps the output full while the message is being sent.
void RemoteSession::refill() {
  if (client_.stage() != Stage::body || !client_.output().empty()) return;
  if (body_ended_) return client_.body_sent();
  std::array<char, piece_size> piece;
  const ssize_t count = ::pread(message_, piece.data(), piece.size(), offset_);
  if (count < 0) {
    if (errno != EINTR) client_.lost("was sent half a message: it cannot be read");
    return;
  }
  offset_ += count;
  if (count == 0) {
    body_.end(client_.output());
    body_ended_ = true;
  } else {
    body_.add({piece.data(), static_cast<std::size_t>(count)}, client_.output());
  }
}

void RemoteSession::flush() {
  std::string &output = client_.output();
  if (output.empty() || !fd_) return;
  const ssize_t count =
      ::send(fd_.get(), output.data(), output.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  // An error shows where it is received, behind what the server still said.
  if (count > 0) output.erase(0, static_cast<std::size_t>(count));
}

void RemoteSession::receive() {
  std::array<char, piece_size> piece;
  const ssize_t count = ::recv(fd_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
  if (count > 0) return client_.feed({piece.data(), static_cast<std::size_t>(count)});
  if (count == 0) return client_.lost("closed the connection");
  if (errno != EAGAIN && errno != EINTR) client_.lost(system_error("failed").what);
}

bool RemoteSession::reusable() const {
  if (!fd_ || client_.stage() != Stage::ready) return false;
  const auto spoke = wait_readable(fd_.get(), Deadline::after(Milliseconds(0)));
  return spoke && !*spoke;
}

void RemoteSession::quit() {
  if (!fd_) return;
  client_.quit();
  flush();
  const Deadline deadline = Deadline::after(Milliseconds(1000));
  while (client_.stage() == Stage::quitting) {
    const auto ready = wait_readable(fd_.get(), deadline);
    if (!ready || !*ready) break;
    receive();
  }
  fd_.reset();
}

bool measure_message(int message, SmtpMail &mail) {
  SmtpMeasure measure;
  std::array<char, piece_size> piece;
  for (off_t offset = 0;;) {
    const ssize_t count = ::pread(message, piece.data(), piece.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) break;
    measure.add({piece.data(), static_cast<std::size_t>(count)});
    offset += count;
  }
  measure.fill(mail);
  return true;
}

std::string RemoteWorker::answer(Packet request, int door, int stop) {
  const auto delivery = parse_delivery(request.octets);
  const auto route = delivery ? SmtpRoute::parse(delivery->route) : delivery.error();
  struct stat message{};
  if (!delivery || !route || request.fds.size() != 1 ||
      ::fstat(request.fds[0].get(), &message) != 0 || !S_ISREG(message.st_mode)) {
    log_.event("refused", {{"reason", route ? "request" : route.error().what}});
    return "";
  }
  SmtpMail mail;
  mail.sender = delivery->sender;
  mail.recipients = delivery->recipients;
  if (!measure_message(request.fds[0].get(), mail)) {
    return outcomes_text(std::vector(mail.recipients.size(),
                                     Outcome::defer("4.3.0", "message cannot be read")));
  }
  if (session_ && (route_ != delivery->route || !session_->reusable())) idle();
  if (!session_) session_.emplace(*route, settings_);
  route_ = delivery->route;
  const auto outcomes =
      session_->send(std::move(mail), request.fds[0].get(), {door, stop});
  log_.detail("delivery", {{"name", delivery->name},
                           {"route", delivery->route},
                           {"recipients", outcomes.size()},
                           {"status", outcomes[0].status},
                           {"text", outcomes[0].text}});
  return outcomes_text(outcomes);
}

void RemoteWorker::idle() {
  if (!session_) return;
  session_->quit();
  session_.reset();
}

}  // namespace moat
