// Doors: what another user must do stands behind a unix socket. One packet is
// a request, one packet its answer (SOCK_SEQPACKET), descriptors travel along.

#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/clock.h"
#include "libcommon/base/fd.h"
#include "libcommon/base/result.h"

namespace moat {

// The most that one packet carries; the kernel's default buffer takes it.
inline constexpr std::size_t max_packet = 160 * 1024;  // octets

struct Packet {
  std::string octets;   // empty with no descriptors: the other end has gone
  std::vector<Fd> fds;  // close-on-exec
};

// Who called, as the kernel says (SO_PEERCRED).
struct Peer {
  uid_t uid;
  gid_t gid;
  pid_t pid;
};

// Returns PATH of "unix:PATH", or the text itself when it begins with '/' or
// '.'; nullopt for anything else.
std::optional<std::string> door_path(std::string_view text);

// Listens at `path`, mode 0660, in place of a socket that nobody listens to any
// more. The socket does not block and is close-on-exec. A path over 107 octets
// is a permanent error.
Result<Fd> listen_at_door(const std::string &path, int backlog = 1024);

// Takes the next caller, or an Fd that is false when there is none just now.
Result<Fd> accept_at_door(int listener);
Result<Peer> door_peer(int fd);

// Calls at a door. Nobody behind it is a temporary error.
Result<Fd> connect_to_door(const std::string &path, Deadline deadline);

// Sends one packet of at most max_packet octets, with at most 4 descriptors,
// which stay the caller's.
Status send_packet(int fd, std::string_view octets, std::span<const int> fds,
                   Deadline deadline);

// Receives one packet. More than `max_octets`, or more than `max_fds`
// descriptors (they are closed), is a permanent error.
Result<Packet> receive_packet(int fd, std::size_t max_octets, std::size_t max_fds,
                              Deadline deadline);

// A packet in a buffer that its reader uses again.
struct PacketView {
  std::string_view octets;  // empty with no descriptors: the other end has gone
  std::vector<Fd> fds;      // close-on-exec
};

// Receives one packet if there is one now, nullopt if not: for servers that wait
// for many. The buffer's size is the most octets. Errors as receive_packet.
Result<std::optional<PacketView>> receive_ready_packet(int fd, std::span<char> buffer,
                                                       std::size_t max_fds);

// Who may call: the words of --from, "any" or users' names or numbers; root and
// the server's own user when there are none.
class Callers {
 public:
  // Permanent error for an unknown user.
  static Result<Callers> parse(std::span<const std::string> words);
  bool admit(const Peer &peer) const;

 private:
  bool any_ = false;
  std::vector<uid_t> uids_;
};

}  // namespace moat
