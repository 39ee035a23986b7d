// What moat-tcpd was told.

#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libcommon/cli/options.h"
#include "libcommon/net/ip_address.h"
#include "libcommon/net/listen.h"

namespace moat::tcpd {

struct Settings {
  Common common;
  Argv own;          // argv[0], for the spawner
  int control = -1;  // in a spawner: the descriptor to its acceptor
  ListenAt at;
  std::uint64_t limit = 200;  // connections at a time
  std::uint64_t per_ip = 20;  // of them from one network
  Rate rate{60, std::chrono::seconds(60)};
  std::uint64_t backlog = SOMAXCONN;
  std::string rules;
  std::string user;
  bool port_on_stdout = false;
  std::vector<std::string> proxy_words;
  std::vector<IpNetwork> proxies;
  Milliseconds proxy_timeout = std::chrono::seconds(3);
  std::string busy;
  Milliseconds grace{0};
  Milliseconds fault_wait = std::chrono::seconds(10);
  std::uint64_t spawner_children = 10000;
  Argv next;
};

// Reads the options; `words` are what follows them.
std::optional<Stop> read_options(const Argv &argv, const Environment &environment,
                                 Settings &settings, Argv &words);

// Opens /dev/null where descriptors 0 to 2 are closed, lest a connection come to
// lie there. False when it cannot.
bool fill_standard_descriptors();

// Becomes the user of --user. Root that was told none is refused.
std::optional<Stop> drop_root(const Settings &settings);

// Writes the port to standard output, and lets go of that: who reads it to the
// end need not wait for us.
void print_port(std::uint16_t port);

}  // namespace moat::tcpd
