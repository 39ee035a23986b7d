// smtpload: a light SMTP client by the hundred, for `make bench`. One thread,
// one epoll; it says nothing before its last reply came, and pipelines nothing.
//
//   smtpload --port P --mode session|message|recipients|hold [options]
//
// session:    connect, EHLO, QUIT.
// message:    EHLO, then --messages times MAIL, RCPT, DATA, then QUIT.
// recipients: EHLO, MAIL, --recipients times RCPT, QUIT.
// hold:       opens --count sessions, waits for their greetings, prints a line,
//             and keeps them until its standard input ends.
//
// It ends after --count sessions, or starts no more after --seconds. Prints one
// line of name=value pairs. It talks to 127.0.0.0/8 alone.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/clock.h"
#include "libcommon/base/fd.h"
#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/cli/options.h"
#include "libcommon/process/program.h"

// A tool stands in no table of programs.
std::span<const moat::Program *const> moat::program_table() { return {}; }

namespace {

using namespace moat;

constexpr Milliseconds drain{20'000};  // what is under way may end within this
constexpr std::uint64_t enough_failures = 1'000;

struct Settings {
  std::uint64_t port = 0;
  std::string mode = "session";
  std::uint64_t concurrency = 20;
  std::uint64_t count = 1'000;
  Milliseconds seconds{5'000};
  std::uint64_t size = 4'096;
  std::uint64_t messages = 1;
  std::uint64_t recipients = 1;
  std::string sender = "sender@client.test";
  std::string recipient = "user@bench.test";  // %d becomes a number
  std::uint64_t sources = 200;                // client addresses, from 127.0.1.1
};

// What the client waits for; the reply to it decides what comes next.
enum class Step { greeting, ehlo, mail, rcpt, data, dot, quit };

struct Line {
  Step step;
  std::string octets;
};

struct Tally {
  std::uint64_t started = 0;
  std::uint64_t ended = 0;     // sessions that went from greeting to QUIT
  std::uint64_t failed = 0;    // refused, cut off, or not answered in time
  std::uint64_t accepted = 0;  // messages
  std::uint64_t refused = 0;   // messages
  std::map<int, std::uint64_t> codes;
  std::int64_t last_ms = 0;  // when the last session ended
  std::vector<std::int64_t> took_ms;
};

std::string replaced(std::string text, std::string_view what, const std::string &with) {
  const auto at = text.find(what);
  return at == std::string::npos ? text : text.replace(at, what.size(), with);
}

std::string message_text(const Settings &settings) {
  std::string text = "From: <" + settings.sender +
                     ">\r\n"
                     "To: <user@bench.test>\r\n"
                     "Subject: bench\r\n"
                     "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
                     "Message-ID: <bench.1@client.test>\r\n"
                     "\r\n";
  while (text.size() + 78 <= settings.size) {
    for (std::size_t i = 0; i < 76; ++i) {
      text += static_cast<char>('a' + (text.size() + i) % 26);
    }
    text += "\r\n";
  }
  return text + ".\r\n";
}

// Returns what a session waits for and says, line by line: the reply to a line
// calls for the next.
std::vector<Line> script_of(const Settings &settings) {
  std::vector<Line> script = {{Step::greeting, ""}, {Step::ehlo, "EHLO client.test\r\n"}};
  const bool sends = settings.mode == "message";
  const std::uint64_t rounds =
      sends ? settings.messages : (settings.mode == "recipients" ? 1 : 0);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    script.push_back({Step::mail, "MAIL FROM:<" + settings.sender + ">\r\n"});
    for (std::uint64_t i = 0; i < settings.recipients; ++i) {
      const auto recipient = replaced(settings.recipient, "%d", std::to_string(i));
      script.push_back({Step::rcpt, "RCPT TO:<" + recipient + ">\r\n"});
    }
    if (!sends) continue;
    script.push_back({Step::data, "DATA\r\n"});
    script.push_back({Step::dot, message_text(settings)});
  }
  script.push_back({Step::quit, "QUIT\r\n"});
  return script;
}

Fd client_socket(const Settings &settings, std::uint64_t number) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fd;
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr =
      htonl(0x7f000101U + static_cast<std::uint32_t>(number % settings.sources));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(settings.port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto *source = reinterpret_cast<const sockaddr *>(&from);
  const auto *target = reinterpret_cast<const sockaddr *>(&to);
  if (::bind(fd.get(), source, sizeof from) != 0) return Fd();
  if (::connect(fd.get(), target, sizeof to) != 0 && errno != EINPROGRESS) return Fd();
  return fd;
}

struct Client {
  Fd fd;
  std::size_t at = 0;       // the line of the script that a reply is due to
  std::string_view unsent;  // of that line
  std::string received;     // a reply that has not come whole
  bool any_recipient = false;
  std::int64_t began_ms = 0;
};

enum class Outcome { going, ended, failed };

// All clients of one run.
class Load {
 public:
  explicit Load(const Settings &settings)
      : settings_(settings),
        script_(script_of(settings)),
        poll_(::epoll_create1(EPOLL_CLOEXEC)),
        clients_(settings.concurrency) {}

  Tally run();

 private:
  bool may_start() const {
    return tally_.started < settings_.count && !no_more_.passed() &&
           tally_.failed < enough_failures;
  }
  void start(Client &client);
  void finish(Client &client, Outcome outcome);
  void watch(Client &client, int operation) const;
  Outcome send(Client &client) const;
  Outcome receive(Client &client);
  Outcome take_reply(Client &client, int code);
  void handle(Client &client, std::uint32_t events);

  const Settings &settings_;
  const std::vector<Line> script_;
  Fd poll_;
  std::vector<Client> clients_;
  Deadline no_more_ = Deadline::after(settings_.seconds);
  std::uint64_t open_ = 0;
  Tally tally_;
};

void Load::watch(Client &client, int operation) const {
  epoll_event event{};
  event.data.ptr = &client;
  event.events = EPOLLIN | EPOLLRDHUP;
  if (!client.unsent.empty()) event.events |= EPOLLOUT;
  ::epoll_ctl(poll_.get(), operation, client.fd.get(), &event);
}

void Load::start(Client &client) {
  client = Client{};
  client.began_ms = Clock::boot_ms();
  client.fd = client_socket(settings_, tally_.started++);
  if (!client.fd) {
    ++tally_.failed;
    return;
  }
  ++open_;
  watch(client, EPOLL_CTL_ADD);
}

void Load::finish(Client &client, Outcome outcome) {
  client.fd.reset();
  --open_;
  tally_.last_ms = Clock::boot_ms();
  if (outcome == Outcome::ended) {
    ++tally_.ended;
    tally_.took_ms.push_back(tally_.last_ms - client.began_ms);
  } else {
    ++tally_.failed;
  }
}

Outcome Load::send(Client &client) const {
  while (!client.unsent.empty()) {
    const ssize_t sent =
        ::send(client.fd.get(), client.unsent.data(), client.unsent.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) {
      watch(client, EPOLL_CTL_MOD);
      return Outcome::going;
    }
    if (sent < 0) return Outcome::failed;
    client.unsent.remove_prefix(static_cast<std::size_t>(sent));
  }
  return Outcome::going;
}

Outcome Load::take_reply(Client &client, int code) {
  const Step step = script_[client.at].step;
  const bool good = code / 100 == 2 || (step == Step::data && code == 354);
  ++tally_.codes[code];
  if (step == Step::quit) return Outcome::ended;
  if (code == 421 || code == 521 || (step == Step::greeting && !good)) {
    return Outcome::failed;
  }
  if (step == Step::mail) client.any_recipient = false;
  if (step == Step::rcpt && good) client.any_recipient = true;
  if (step == Step::dot) ++(good ? tally_.accepted : tally_.refused);

  ++client.at;
  const Step next = script_[client.at].step;
  if ((next == Step::data && !client.any_recipient) || (next == Step::dot && !good)) {
    ++tally_.refused;
    client.at += next == Step::data ? 2 : 1;
  }
  client.unsent = script_[client.at].octets;
  return send(client);
}

Outcome Load::receive(Client &client) {
  std::array<char, 8'192> buffer{};
  const ssize_t size = ::recv(client.fd.get(), buffer.data(), buffer.size(), 0);
  if (size < 0 && errno == EAGAIN) return Outcome::going;
  if (size <= 0) return Outcome::failed;
  client.received.append(buffer.data(), static_cast<std::size_t>(size));

  std::string_view rest = client.received;
  while (rest.find('\n') != std::string_view::npos) {
    const std::string_view line = take_line(rest);
    if (line.size() > 3 && line[3] == '-') continue;
    const auto code = parse_number(line.substr(0, 3), 200, 599);
    if (!code) return Outcome::failed;
    const Outcome outcome = take_reply(client, static_cast<int>(*code));
    if (outcome != Outcome::going) return outcome;
  }
  client.received.erase(0, client.received.size() - rest.size());
  return Outcome::going;
}

void Load::handle(Client &client, std::uint32_t events) {
  Outcome outcome = Outcome::going;
  if ((events & EPOLLOUT) != 0 && !client.unsent.empty()) {
    outcome = send(client);
    if (outcome == Outcome::going && client.unsent.empty()) watch(client, EPOLL_CTL_MOD);
  }
  if (outcome == Outcome::going && (events & ~EPOLLOUT) != 0) outcome = receive(client);
  if (outcome == Outcome::going) return;
  finish(client, outcome);
  while (!client.fd && may_start()) start(client);
}

Tally Load::run() {
  for (Client &client : clients_) {
    while (!client.fd && may_start()) start(client);
  }
  const Deadline end = Deadline::after(settings_.seconds + drain);
  std::array<epoll_event, 256> events{};
  while (open_ > 0 && !end.passed()) {
    const int count = ::epoll_wait(poll_.get(), events.data(), events.size(), 500);
    for (int i = 0; i < count; ++i) {
      const epoll_event &event = events.at(static_cast<std::size_t>(i));
      auto &client = *static_cast<Client *>(event.data.ptr);
      if (client.fd) handle(client, event.events);
    }
  }
  tally_.failed += open_;
  return std::move(tally_);
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval &time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int measure(const Settings &settings) {
  const std::int64_t began = Clock::boot_ms();
  Tally tally = Load(settings).run();
  const auto ms = std::max<std::int64_t>(tally.last_ms - began, 1);
  const double seconds = static_cast<double>(ms) / 1000;
  std::sort(tally.took_ms.begin(), tally.took_ms.end());
  const auto share = [&](std::size_t percent) {
    return tally.took_ms.empty()
               ? 0
               : tally.took_ms[(tally.took_ms.size() - 1) * percent / 100];
  };
  std::string text = "sessions=" + std::to_string(tally.ended) +
                     " failed=" + std::to_string(tally.failed) +
                     " accepted=" + std::to_string(tally.accepted) +
                     " refused=" + std::to_string(tally.refused) +
                     " seconds=" + std::to_string(seconds) +
                     " median_ms=" + std::to_string(share(50)) +
                     " p99_ms=" + std::to_string(share(99)) +
                     " own_cpu=" + std::to_string(cpu_seconds());
  for (const auto &[code, count] : tally.codes) {
    text += " code_" + std::to_string(code) + "=" + std::to_string(count);
  }
  return write_all(1, text + "\n") ? 0 : exit_temporary;
}

// Opens the sessions a few at a time, for a process a client takes its while.
int hold(const Settings &settings) {
  const Deadline end = Deadline::after(settings.seconds);
  std::deque<Fd> open;
  std::array<char, 1'024> greeting{};
  std::uint64_t greeted = 0;
  std::size_t waiting = 0;  // the first that is not greeted yet
  while (waiting < settings.count) {
    while (open.size() < settings.count && open.size() < waiting + settings.concurrency) {
      open.push_back(client_socket(settings, open.size()));
    }
    const int fd = open[waiting++].get();
    const auto size = fd < 0 ? Result<std::size_t>(temporary_error("not connected"))
                             : read_some(fd, greeting.data(), greeting.size(), end);
    if (size && *size >= 3 && greeting[0] == '2') ++greeted;
  }
  if (!write_all(1, "held=" + std::to_string(greeted) + "\n")) return exit_temporary;
  while (true) {
    const auto size = read_some(0, greeting.data(), greeting.size(), end);
    if (!size || *size == 0) return greeted == settings.count ? 0 : exit_temporary;
  }
}

}  // namespace

int main(int argc, char **argv) {
  Settings settings;
  Options options("smtpload", {"smtpload OPTIONS"}, "Loads an SMTP server on loopback.");
  options.number("port", "PORT", settings.port, 1, 65'535, "the server's, on 127.0.0.1");
  options.choice("mode", {"session", "message", "recipients", "hold"}, settings.mode,
                 "what a session does");
  options.number("concurrency", "N", settings.concurrency, 1, 2'000,
                 "sessions at a time");
  options.number("count", "N", settings.count, 1, 10'000'000, "sessions in all");
  options.duration("seconds", "TIME", settings.seconds, Milliseconds(1),
                   Milliseconds(600'000), "start none after this");
  options.size("size", "SIZE", settings.size, 256, 64U << 20, "of a message");
  options.number("messages", "N", settings.messages, 1, 1'000, "in a session");
  options.number("recipients", "N", settings.recipients, 1, 1'000, "of a message");
  options.text("sender", "ADDRESS", settings.sender, "of each message");
  options.text("recipient", "ADDRESS", settings.recipient, "with %d, a number in it");
  options.number("sources", "N", settings.sources, 1, 60'000, "client addresses");
  Common common;
  Argv operands;
  const auto stop = options.parse(Argv(argv, argv + argc), {}, common, operands);
  if (stop || !operands.empty() || settings.port == 0) {
    const std::string text = stop ? stop->text : "smtpload: no --port";
    (void)std::fprintf(stderr, "%s\n", text.c_str());
    return stop ? stop->code : exit_permanent;
  }
  return settings.mode == "hold" ? hold(settings) : measure(settings);
}
