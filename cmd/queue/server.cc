#include "cmd/queue/server.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <list>
#include <string>
#include <utility>

#include "cmd/queue/backend.h"
#include "cmd/queue/outcome.h"
#include "libcommon/process/door.h"

namespace moat {
namespace {

constexpr std::size_t max_fds = 2;

// SIGTERM and SIGINT as a descriptor, while it lives.
class EndSignals {
 public:
  EndSignals() {
    sigset_t wanted;
    ::sigemptyset(&wanted);
    ::sigaddset(&wanted, SIGTERM);
    ::sigaddset(&wanted, SIGINT);
    ::sigprocmask(SIG_BLOCK, &wanted, &before_);
    fd_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  EndSignals(const EndSignals &) = delete;
  EndSignals &operator=(const EndSignals &) = delete;
  ~EndSignals() {
    // What came is taken, lest it end the next program instead of us.
    signalfd_siginfo info{};
    while (::read(fd_.get(), &info, sizeof info) > 0) {
    }
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  int fd() const { return fd_.get(); }

 private:
  sigset_t before_{};
  Fd fd_;
};

class Server {
 public:
  Server(const QueueOptions &options, Invocation &invocation, Callers callers,
         EventLoop &loop, Fd listener, Backend &backend)
      : options_(options),
        log_(invocation.log),
        callers_(std::move(callers)),
        loop_(loop),
        listener_(std::move(listener)),
        backend_(backend),
        buffer_(max_packet, '\0') {}

  Status run(int end_signals) {
    bool ending = false;
    auto added = loop_.add(end_signals, [&] { ending = true; });
    while (added && !ending) {
      added = listen_if(backend_.has_room());
      if (!added) break;
      const auto turned = loop_.turn(min(backend_.next_deadline(), first_timeout()));
      if (!turned) return turned;
      drop_silent();
      backend_.end_turn();
    }
    loop_.remove(end_signals);
    if (!added) return added;
    return finish();
  }

 private:
  struct Caller {
    Fd fd;
    Deadline timeout;
  };

  Status listen_if(bool wanted) {
    if (wanted == listening_) return done;
    listening_ = wanted;
    if (wanted) return loop_.add(listener_.get(), [this] { admit(); });
    loop_.remove(listener_.get());
    return done;
  }

  // Lets in who is there, as long as there is room. Most have sent their request
  // by the time they are let in: those never meet epoll.
  void admit() {
    while (backend_.has_room()) {
      auto fd = accept_at_door(listener_.get());
      if (!fd) {
        log_.event("trouble", {{"reason", fd.error().what}});
        return;
      }
      if (!*fd) return;
      const auto peer = door_peer(fd->get());
      if (!peer || !callers_.admit(*peer)) {
        log_.event("denied",
                   {{"uid", peer ? peer->uid : 0}, {"pid", peer ? peer->pid : 0}});
        continue;
      }
      if (receive(*fd)) continue;
      if (silent_.size() >= options_.max_callers) drop(silent_.begin());
      silent_.push_back({std::move(*fd), Deadline::after(options_.request_timeout)});
      const auto place = std::prev(silent_.end());
      if (!loop_.add(place->fd.get(), [this, place] { hear(place); }))
        silent_.erase(place);
    }
  }

  // Somebody who was silent until now has spoken, or gone.
  void hear(std::list<Caller>::iterator place) {
    Fd fd = std::move(place->fd);
    loop_.remove(fd.get());
    silent_.erase(place);
    receive(fd);
  }

  // Returns whether the caller has been dealt with: not if nothing came yet.
  bool receive(Fd &fd) {
    auto packet = receive_ready_packet(fd.get(), buffer_, max_fds);
    if (packet && !*packet) return false;
    if (!packet) {
      log_.event("malformed", {{"reason", packet.error().what}});
      return true;
    }
    if ((*packet)->octets.empty() && (*packet)->fds.empty()) return true;
    auto checked = check_request(**packet, std::move((*packet)->fds), options_);
    if (auto *submission = std::get_if<Submission>(&checked)) {
      submission->caller = std::move(fd);
      backend_.take(std::move(*submission));
      return true;
    }
    const BadRequest &bad = std::get<BadRequest>(checked);
    log_.event("malformed", {{"code", bad.answer.code}, {"reason", bad.reason}});
    Submission nobody;
    nobody.caller = std::move(fd);
    answer(nobody, bad.answer);
    return true;
  }

  Deadline first_timeout() const {
    return silent_.empty() ? Deadline::never() : silent_.front().timeout;
  }

  void drop_silent() {
    while (!silent_.empty() && silent_.front().timeout.passed()) drop(silent_.begin());
  }

  void drop(std::list<Caller>::iterator place) {
    loop_.remove(place->fd.get());
    silent_.erase(place);
    log_.event("silent", {});
  }

  // Who has sent a request gets an answer; who has not is hung up on.
  Status finish() {
    auto stopped = listen_if(false);
    if (!stopped) return stopped;
    admit();
    listener_.reset();
    ::unlink(options_.serve.c_str());
    while (!silent_.empty()) {
      loop_.remove(silent_.front().fd.get());
      silent_.pop_front();
    }
    backend_.end_turn();
    while (!backend_.idle()) {
      const auto turned = loop_.turn(backend_.next_deadline());
      if (!turned) return turned;
      backend_.end_turn();
    }
    return done;
  }

  const QueueOptions &options_;
  Log &log_;
  Callers callers_;
  EventLoop &loop_;
  Fd listener_;
  Backend &backend_;
  std::string buffer_;
  std::list<Caller> silent_;  // let in, nothing heard yet; the longest first
  bool listening_ = false;
};

Next fail(Invocation &invocation, const Error &error) {
  invocation.log.fatal(error.what);
  return Next::exit(error.temporary ? exit_temporary : exit_permanent);
}

}  // namespace

Next serve_queue(const QueueOptions &options, Invocation &invocation) {
  auto callers = Callers::parse(options.from);
  if (!callers) return fail(invocation, callers.error());
  auto loop = EventLoop::make();
  if (!loop) return fail(invocation, loop.error());

  std::unique_ptr<Backend> backend;
  if (options.next.empty()) {
    auto made = make_queue_backend(options, invocation);
    if (!made) return fail(invocation, made.error());
    backend = std::move(*made);
  } else {
    // A mistake in the chain is found now, not with the first message.
    auto chain = PreparedChain::make(options.next, invocation.env);
    if (const auto *stop = std::get_if<Stop>(&chain)) {
      invocation.log.fatal(stop->text);
      return Next::exit(stop->code == exit_ok ? exit_permanent : stop->code);
    }
    backend = make_filter_backend(options, invocation, *loop);
  }
  auto listener = listen_at_door(options.serve);
  if (!listener) return fail(invocation, listener.error());
  const EndSignals signals;
  Server server(options, invocation, std::move(*callers), *loop, std::move(*listener),
                *backend);
  invocation.log.event("serving", {{"door", options.serve}});
  const auto served = server.run(signals.fd());
  if (!served) return fail(invocation, served.error());
  return Next::exit(exit_ok);
}

}  // namespace moat
