// How a client is taken, refused, or handed to the spawner.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cmd/tcpd/acceptor.h"
#include "libcommon/base/io.h"
#include "libcommon/base/text.h"

namespace moat::tcpd {
namespace {

constexpr int most_at_once = 64;      // accepts before ends are looked at again
constexpr std::int64_t breath = 200;  // milliseconds without accepting
constexpr std::size_t max_syn = 512;  // octets: the longest IP and TCP headers
constexpr std::size_t session_octets = 6;
constexpr std::size_t most_at_proxy = 1000;  // whose header has not come

std::uint16_t port_of(const sockaddr_storage &address) {
  sockaddr_in6 in6{};  // the port lies at the same place in both
  std::memcpy(&in6, &address, sizeof in6);
  return ntohs(in6.sin6_port);
}

std::string saved_syn(int fd) {
  std::array<char, max_syn> syn;
  socklen_t size = syn.size();
  if (::getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, syn.data(), &size) != 0) return "";
  return to_hex({syn.data(), size});
}

void add(std::vector<std::string> &variables, std::string_view name,
         std::string_view value) {
  variables.emplace_back(std::string(name).append("=").append(value));
}

// Whether the connection's fault is its own: the next one may do.
bool is_passing(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return false;
    default: return true;
  }
}

}  // namespace

void Acceptor::accept_some() {
  for (int i = 0; i < most_at_once; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    Fd fd(::accept4(listener_.fd.get(), reinterpret_cast<sockaddr *>(&address), &size,
                    SOCK_CLOEXEC));
    if (!fd) {
      if (errno == EAGAIN) return;
      if (is_passing(errno)) continue;
      log_.event("accept", {{"error", system_error("accept").what}});
      pause_until_ = Clock::boot_ms() + breath;
      return;
    }
    Client client;
    if (!listener_.is_unix) {
      client.address = IpAddress::from(reinterpret_cast<const sockaddr *>(&address));
      client.port = port_of(address);
    }
    take(std::move(fd), std::move(client));
  }
}

// From a proxy nothing is known before its header has come.
void Acceptor::take(Fd fd, Client client) {
  const bool from_proxy =
      client.address && std::any_of(settings_.proxies.begin(), settings_.proxies.end(),
                                    [&](const IpNetwork &network) {
                                      return network.contains(*client.address);
                                    });
  if (!from_proxy) return consider(std::move(fd), client);
  if (waiting_.size() >= most_at_proxy ||
      limits_.total() + waiting_.size() >= settings_.limit) {
    return refuse(fd, client, "limit", "too many connections, try again later");
  }
  waiting_.push_back({std::move(fd), std::move(client), ProxyParser(),
                      Deadline::after(settings_.proxy_timeout)});
}

void Acceptor::hear_waiting(const std::vector<bool> &readable) {
  for (std::size_t i = 0; i < readable.size(); ++i) {
    if (readable[i]) {
      read_header(waiting_[i]);
    } else if (waiting_[i].until.passed()) {
      refuse_silently(waiting_[i].client, "proxy-timeout");
      waiting_[i].fd.reset();
    }
  }
  std::erase_if(waiting_, [](const Waiting &waiting) { return !waiting.fd; });
}

// Looks first and then takes no more than the header: what follows is the
// chain's to read. Closed or handed on, the entry's descriptor is gone.
void Acceptor::read_header(Waiting &waiting) {
  std::array<char, ProxyParser::max_size> octets;
  const int fd = waiting.fd.get();
  const auto seen = ::recv(fd, octets.data(), octets.size(), MSG_PEEK | MSG_DONTWAIT);
  if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return;
  std::size_t used = 0;
  if (seen > 0) {
    used = waiting.parser.feed({octets.data(), static_cast<std::size_t>(seen)});
  }
  if (seen <= 0 || waiting.parser.state() == ProxyParser::State::bad ||
      ::recv(fd, octets.data(), used, MSG_DONTWAIT) != static_cast<ssize_t>(used)) {
    refuse_silently(waiting.client, "proxy-header");
    waiting.fd.reset();
    return;
  }
  if (waiting.parser.state() != ProxyParser::State::complete) return;

  const ProxyHeader &header = waiting.parser.header();
  Client client = waiting.client;
  client.behind_proxy = true;
  client.checked = !header.local;
  if (!header.local) {
    client.address = header.source;
    client.port = header.source_port;
    client.local = header.destination;
    client.local_port = header.destination_port;
    if (header.tls) {
      client.protocol = header.protocol;
      client.cipher = header.cipher;
    }
  }
  consider(std::move(waiting.fd), client);
}

// Rules first: whom they deny shall not fill a count.
void Acceptor::consider(Fd fd, const Client &client) {
  const bool checked = client.address && client.checked;
  AccessRule rule;
  if (rules_ && checked) {
    const auto &rules = rules_->current();
    auto match = rules ? rules->match(*client.address) : rules.error();
    if (!match) {
      log_.event("rules", {{"error", match.error().what}});
      return refuse(fd, client, "rules-unreadable", "");
    }
    if (*match) rule = std::move(**match);
    if (!rule.allow) return refuse_silently(client, "rules");
  }
  const auto network =
      checked ? std::optional(network_of(*client.address)) : std::nullopt;
  switch (limits_.admit(network, Clock::boot_ms())) {
    case Limits::Verdict::admitted: return start(fd, client, network, rule);
    case Limits::Verdict::total:
      return refuse(fd, client, "limit", "too many connections, try again later");
    case Limits::Verdict::network:
      return refuse(fd, client, "per-ip", "too many connections from your network");
    case Limits::Verdict::rate:
      return refuse(fd, client, "rate", "too many connections from your network lately");
    case Limits::Verdict::fault: return refuse(fd, client, "fault", "try again later");
  }
}

void Acceptor::start(const Fd &fd, const Client &client,
                     const std::optional<IpNetwork> &network, const AccessRule &rule) {
  const std::uint32_t slot = new_slot();
  Held *held = current();
  Session &session = sessions_[slot];
  session = {network, new_id(), held == nullptr ? 0 : held->spawner.pid()};
  auto own = variables(fd, client, session.id);
  bool renew = false;
  for (const auto &[name, value] : rule.variables) {
    add(own, name, value);
    renew = renew || name.starts_with("MOAT_");
  }
  const auto handed = held == nullptr
                          ? Status(temporary_error("no spawner"))
                          : held->spawner.hand_over(slot, fd.get(), own, renew);
  if (!handed) {
    log_.event("spawner", {{"error", handed.error().what}});
    free_slot(slot);
    return refuse(fd, client, "spawner", "");
  }
  log_.detail("connect", {{"session", session.id},
                          {"ip", client.address ? client.address->text() : "-"},
                          {"port", client.port}});
  status();
  if (++held->children >= settings_.spawner_children && held == spawners_.back().get()) {
    renew_spawner();
  }
}

std::vector<std::string> Acceptor::variables(const Fd &fd, const Client &client,
                                             const std::string &session) {
  std::vector<std::string> own;
  own.reserve(8);
  add(own, "MOAT_SESSION", session);
  if (!client.address) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
      add(own, "UNIXREMOTEEUID", std::to_string(peer.uid));
      add(own, "UNIXREMOTEEGID", std::to_string(peer.gid));
      add(own, "UNIXREMOTEPID", std::to_string(peer.pid));
    }
    return own;
  }
  add(own, "TCPREMOTEIP", client.address->text());
  add(own, "TCPREMOTEPORT", std::to_string(client.port));
  add(own, "TCPCONNNUM", std::to_string(limits_.here(network_of(*client.address))));
  if (client.local) {
    add(own, "TCPLOCALIP", client.local->text());
    add(own, "TCPLOCALPORT", std::to_string(client.local_port));
  } else if (!listener_.address) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    auto *generic = reinterpret_cast<sockaddr *>(&address);
    if (::getsockname(fd.get(), generic, &size) == 0) {
      if (const auto local = IpAddress::from(generic)) {
        add(own, "TCPLOCALIP", local->text());
      }
    }
  }
  if (!client.behind_proxy) {
    const std::string syn = saved_syn(fd.get());
    if (!syn.empty()) add(own, "TCPSYN", syn);
  }
  if (!client.protocol.empty()) add(own, "SSL_PROTOCOL", client.protocol);
  if (!client.cipher.empty()) add(own, "SSL_CIPHER", client.cipher);
  return own;
}

// Says so in one line, for a client over a limit, else that it is our trouble.
// Nobody waits for him, and what he sent is thrown away first: closing on unread
// octets would take the line back.
void Acceptor::refuse(const Fd &fd, const Client &client, std::string_view reason,
                      std::string_view text) {
  std::string line = "421 4.3.0 trouble here, try again later";
  if (!text.empty()) {
    line =
        settings_.busy.empty() ? std::string("421 4.7.0 ").append(text) : settings_.busy;
  }
  line += "\r\n";
  ::recv(fd.get(), nullptr, std::size_t{1} << 16U, MSG_DONTWAIT | MSG_TRUNC);
  ::send(fd.get(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  refuse_silently(client, reason);
}

void Acceptor::refuse_silently(const Client &client, std::string_view reason) {
  log_.event("refuse",
             {{"ip", client.address ? client.address->text() : "-"}, {"reason", reason}});
}

std::uint32_t Acceptor::new_slot() {
  if (free_.empty()) {
    sessions_.emplace_back();
    return static_cast<std::uint32_t>(sessions_.size() - 1);
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

// One system call fetches the random octets of many sessions.
std::string Acceptor::new_id() {
  if (random_used_ + session_octets > random_.size()) {
    [[maybe_unused]] const auto got = ::getrandom(random_.data(), random_.size(), 0);
    random_used_ = 0;
  }
  const std::string_view octets(random_.data() + random_used_, session_octets);
  random_used_ += session_octets;
  return to_hex(octets);
}

}  // namespace moat::tcpd
