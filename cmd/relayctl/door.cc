// The door for a login hook (POP-before-SMTP). A request is one packet,
// "ADDRESS SECONDS"; the answer "0", or an exit code, a blank and the reason.

#include "libcommon/process/door.h"

#include <algorithm>

#include "cmd/relayctl/call.h"
#include "libcommon/base/text.h"
#include "libcommon/directory/master.h"
#include "libcommon/directory/networks.h"

namespace moat::relayctl {
namespace {

constexpr std::size_t max_answer = 1024;  // octets
constexpr Milliseconds patience = std::chrono::seconds(10);

struct Wish {
  IpAddress address;
  std::int64_t seconds;
};

std::optional<Wish> parse_wish(std::string_view text, std::int64_t most) {
  const auto address = IpAddress::parse(take_until(text, ' '));
  const auto seconds = parse_number(text, 1, static_cast<std::uint64_t>(most));
  if (!address || !seconds) return std::nullopt;
  return Wish{*address, static_cast<std::int64_t>(*seconds)};
}

IpNetwork alone(const IpAddress &address) {
  return IpNetwork::of(address, address.is_v4() ? 32 : 128);
}

class RelayWorker final : public DoorWorker {
 public:
  RelayWorker(const Call &call, const Invocation &invocation)
      : call_(call),
        invocation_(invocation.env, invocation.clock),
        log_(invocation.log) {}

  std::string answer(Packet request, int /*door*/, int /*stop*/) override {
    const auto most = std::chrono::floor<std::chrono::seconds>(call_.max_for).count();
    const auto wish = parse_wish(request.octets, most);
    if (!wish || !request.fds.empty()) {
      return "100 takes ADDRESS and 1 to " + std::to_string(most) + " seconds";
    }
    const auto opened = open_window(*wish);
    if (!opened) {
      log_.event("window",
                 {{"ip", wish->address.text()}, {"error", opened.error().what}});
      return "111 the window could not be opened";
    }
    log_.event("window", {{"ip", wish->address.text()}, {"seconds", wish->seconds}});
    return "0";
  }

 private:
  Status open_window(const Wish &wish) {
    const std::int64_t now = invocation_.clock.wall_seconds();
    const auto master = Master::open(invocation_, call_.places, Master::Which::relay);
    if (!master) return master.error();
    if (stays_open(*master, wish, now)) return done;
    return master->change([&](Writer &writer) -> Status {
      const auto pruned = prune_networks(writer, now);
      if (!pruned) return pruned.error();
      return put_network(writer, {alone(wish.address), true, now + wish.seconds});
    });
  }

  // A mail program that looks every minute must not cost a sync each time: a
  // window that is open for nearly as long is left as it is.
  static bool stays_open(const Master &master, const Wish &wish, std::int64_t now) {
    bool open = false;
    const auto read = master.read([&](Reader &reader) -> Status {
      const std::string key = network_key(alone(wish.address));
      const auto found = reader.get(key);
      if (!found) return found.error();
      if (!*found) return done;
      const auto network = decode_network(key, **found);
      if (!network) return network.error();
      open = network->until >= now + wish.seconds - wish.seconds / 8;
      return done;
    });
    return read && open;
  }

  const Call &call_;
  Invocation invocation_;
  const Log &log_;
};

}  // namespace

int serve(const Call &call, Invocation &invocation) {
  return serve_door(call.door, invocation,
                    [&] { return std::make_unique<RelayWorker>(call, invocation); });
}

Status ask_at_door(const std::string &door, const std::string &address,
                   Milliseconds period) {
  const auto path = door_path(door);
  if (!path) return permanent_error("--via takes a path, not " + door);
  const auto parsed = IpAddress::parse(address);
  if (!parsed) return permanent_error("the door takes one address, not " + address);
  const Deadline until = Deadline::after(patience);
  const auto fd = connect_to_door(*path, until);
  if (!fd) return fd.error();
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(period).count();
  auto sent =
      send_packet(fd->get(), parsed->text() + " " + std::to_string(seconds), {}, until);
  if (!sent) return sent;
  const auto answer = receive_packet(fd->get(), max_answer, 0, until);
  if (!answer) return answer.error();
  if (answer->octets == "0") return done;
  std::string_view text = answer->octets;
  const bool permanent = take_until(text, ' ') == "100";
  if (text.empty()) text = "the door is closed to us";
  return Error{!permanent, std::string(text)};
}

}  // namespace moat::relayctl
