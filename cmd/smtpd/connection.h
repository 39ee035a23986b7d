// The client's connection: descriptors 0 and 1 with bounds on every wait.

#pragma once

#include <csignal>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "libcommon/base/clock.h"
#include "libcommon/base/result.h"

namespace moat {

// Holds SIGTERM back for as long as it lives, so that a session ends where it
// may. Does not let one that came kill the process afterwards: it was obeyed.
class HeldTermination {
 public:
  HeldTermination();
  HeldTermination(const HeldTermination &) = delete;
  HeldTermination &operator=(const HeldTermination &) = delete;
  ~HeldTermination();

  static bool wanted();

 private:
  sigset_t before_{};
};

class Connection {
 public:
  // Sets how long a read may block. A single recv(2) then does what takes others
  // a poll(2) before it; O_NONBLOCK would change the socket for all who share it.
  Connection();

  enum class Event { octets, end, timeout, terminated };
  struct Received {
    Event event;
    std::size_t size = 0;
  };

  // Waits for octets until the deadline. A client who reset the connection has
  // ended it. With `watch` a held SIGTERM ends the wait within a second.
  Received receive(std::span<char> buffer, Deadline deadline, bool watch) const;

  // Sends all of it. False: the client does not read, or has gone.
  static bool send(std::string_view octets, Deadline deadline);

  // Whether octets are there before we have said a word.
  bool talked_early() const;

  // Waits while the client is being slowed; less if the connection breaks.
  void pause(Milliseconds wait) const;

  // Lets a client who is still talking read what was said last: closing with
  // octets unread would reset the connection. Takes a second and 1 MiB at most.
  void linger() const;

 private:
  // Waits for a second at most; nullopt when nothing came.
  std::optional<Received> receive_once(std::span<char> buffer, Deadline deadline) const;

  bool is_socket_;
};

}  // namespace moat
