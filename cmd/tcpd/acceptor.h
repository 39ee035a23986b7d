// The acceptor: takes connections, decides by address alone, and has a spawner
// start the chain. One loop; nothing in it waits for a client.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cmd/tcpd/limits.h"
#include "cmd/tcpd/live_rules.h"
#include "cmd/tcpd/settings.h"
#include "libcommon/net/proxy_header.h"
#include "libcommon/process/spawner.h"

namespace moat::tcpd {

class Acceptor {
 public:
  Acceptor(const Settings &settings, Invocation &invocation, Listener listener);

  // Starts the spawner and waits until it has prepared the chain; reads the
  // access rules. A mistake in either is a Stop.
  std::optional<Stop> prepare();

  // Serves until SIGTERM or SIGINT. Returns the exit code.
  int serve();

  std::uint16_t port() const { return listener_.port; }

 private:
  // Who is at the other end, and at ours.
  struct Client {
    std::optional<IpAddress> address;  // none on a unix socket
    std::uint16_t port = 0;
    std::optional<IpAddress> local;
    std::uint16_t local_port = 0;
    bool checked = true;  // false: a proxy that speaks for itself
    bool behind_proxy = false;
    std::string protocol;  // of TLS at the proxy
    std::string cipher;
  };

  // A client whose child runs.
  struct Session {
    std::optional<IpNetwork> network;
    std::string id;
    pid_t spawner = 0;  // 0: the slot is free
  };

  // A proxy whose header has not come yet. It counts as a connection.
  struct Waiting {
    Fd fd;
    Client client;
    ProxyParser parser;
    Deadline until;
  };

  struct Held {
    Spawner spawner;
    std::uint64_t children = 0;
    bool ready = false;    // has prepared the chain
    bool retired = false;  // takes nobody more
    bool gone = false;
  };

  enum class Heard { nothing, stop };

  int poll_timeout() const;
  bool accepts() const;
  Heard wait();
  void accept_some();
  void take(Fd fd, Client client);
  void consider(Fd fd, const Client &client);
  void start(const Fd &fd, const Client &client, const std::optional<IpNetwork> &network,
             const AccessRule &rule);
  void refuse(const Fd &fd, const Client &client, std::string_view reason,
              std::string_view text);
  std::vector<std::string> variables(const Fd &fd, const Client &client,
                                     const std::string &session);
  void read_header(Waiting &waiting);
  void refuse_silently(const Client &client, std::string_view reason);
  // Each is told which of the entries poll(2) found readable.
  void hear_waiting(const std::vector<bool> &readable);
  void hear_spawners(const std::vector<bool> &readable);
  void ended(const Ended &ended);
  void lost(Held &held);
  void retire(Held &held);
  void free_slot(std::uint32_t slot);
  bool start_spawner();
  void renew_spawner();
  Held *current();
  std::uint32_t new_slot();
  std::string new_id();
  void status() const;
  void say_status() const;
  int wind_up();

  const Settings &settings_;
  Invocation &invocation_;
  Log &log_;
  Listener listener_;
  HeldSignals signals_;
  Fd signal_fd_;
  Limits limits_;
  std::optional<LiveRules> rules_;
  std::vector<std::unique_ptr<Held>> spawners_;  // the newest last
  std::vector<Session> sessions_;
  std::vector<std::uint32_t> free_;
  std::vector<Waiting> waiting_;
  std::int64_t pause_until_ = 0;    // no accept before: the system had no descriptor
  std::int64_t respawn_at_ = 0;     // no new spawner before
  std::array<char, 240> random_{};  // for session identifiers
  std::size_t random_used_ = random_.size();
};

}  // namespace moat::tcpd
