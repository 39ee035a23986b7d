#include "libcommon/process/door.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include "tests/unit/check.h"

using namespace moat;

namespace {

// A folder that goes with its test.
struct Folder {
  std::string path = "/tmp/door_test.XXXXXX";
  Folder() { CHECK(::mkdtemp(path.data()) != nullptr); }
  Folder(const Folder &) = delete;
  Folder &operator=(const Folder &) = delete;
  ~Folder() {
    ::unlink(door().c_str());
    ::rmdir(path.c_str());
  }
  std::string door() const { return path + "/door"; }
};

struct Pair {
  std::array<int, 2> fds{-1, -1};
  Fd one;
  Fd other;
  Pair() {
    CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) == 0);
    one.reset(fds[0]);
    other.reset(fds[1]);
  }
};

Deadline soon() { return Deadline::after(Milliseconds(5'000)); }

void carries_packets_whole() {
  const Pair pair;
  for (const std::size_t size : {std::size_t{1}, std::size_t{4'096}, std::size_t{4'097},
                                 std::size_t{100'000}, max_packet}) {
    const std::string sent(size, 'x');
    CHECK(bool{send_packet(pair.one.get(), sent, {}, soon())});
    const auto packet = receive_packet(pair.other.get(), max_packet, 0, soon());
    CHECK(packet && packet->octets == sent && packet->fds.empty());
  }
  CHECK(!send_packet(pair.one.get(), std::string(max_packet + 1, 'x'), {}, soon()));
}

void refuses_what_is_too_large() {
  for (const std::size_t bound : {std::size_t{10}, std::size_t{5'000}}) {
    const Pair pair;
    CHECK(bool{send_packet(pair.one.get(), std::string(bound, 'x'), {}, soon())});
    CHECK(bool{send_packet(pair.one.get(), std::string(bound + 1, 'x'), {}, soon())});
    CHECK(bool{receive_packet(pair.other.get(), bound, 0, soon())});
    const auto over = receive_packet(pair.other.get(), bound, 0, soon());
    CHECK(!over && !over.error().temporary);
  }
}

void passes_descriptors() {
  const Pair pair;
  const Pair passed;
  const std::array<int, 2> fds{passed.one.get(), passed.other.get()};
  CHECK(bool{send_packet(pair.one.get(), "two", fds, soon())});
  const auto packet = receive_packet(pair.other.get(), max_packet, 2, soon());
  CHECK(packet && packet->octets == "two" && packet->fds.size() == 2);
  CHECK(packet && ::write(packet->fds[0].get(), "y", 1) == 1);
  char octet = 0;
  CHECK(::read(passed.other.get(), &octet, 1) == 1 && octet == 'y');

  CHECK(bool{send_packet(pair.one.get(), "two", fds, soon())});
  CHECK(!receive_packet(pair.other.get(), max_packet, 1, soon()));
}

void tells_that_nobody_is_there() {
  Pair pair;
  const auto late = Deadline::after(Milliseconds(0));
  const auto nothing = receive_packet(pair.other.get(), max_packet, 0, late);
  CHECK(!nothing && nothing.error().temporary);
  pair.one.reset();
  const auto gone = receive_packet(pair.other.get(), max_packet, 0, soon());
  CHECK(gone && gone->octets.empty() && gone->fds.empty());
}

void takes_callers_and_knows_them() {
  const Folder folder;
  CHECK(!connect_to_door(folder.door(), soon()));
  auto listener = listen_at_door(folder.door());
  CHECK(listener.has_value());
  struct stat status{};
  CHECK(::stat(folder.door().c_str(), &status) == 0 && (status.st_mode & 0777U) == 0660);
  const auto nobody = accept_at_door(listener->get());
  CHECK(nobody && !*nobody);

  const auto caller = connect_to_door(folder.door(), soon());
  CHECK(caller.has_value());
  const auto taken = accept_at_door(listener->get());
  CHECK(taken && *taken);
  const auto peer = door_peer(taken->get());
  CHECK(peer && peer->uid == ::geteuid() && peer->pid == ::getpid());

  // While somebody listens the place is taken; afterwards it is free.
  CHECK(!listen_at_door(folder.door()));
  listener->reset();
  CHECK(bool{listen_at_door(folder.door())});
}

void admits_whom_it_was_told() {
  const auto none = Callers::parse({});
  CHECK(none && none->admit({0, 0, 1}) && none->admit({::geteuid(), 0, 1}));
  CHECK(none && !none->admit({::geteuid() + 4'321, 0, 1}));
  const std::array<std::string, 2> words{"root,4321", "77"};
  const auto some = Callers::parse(words);
  CHECK(some && some->admit({0, 0, 1}) && some->admit({4'321, 0, 1}));
  CHECK(some && some->admit({77, 0, 1}) && !some->admit({78, 0, 1}));
  const std::array<std::string, 1> any{"any"};
  const auto all = Callers::parse(any);
  CHECK(all && all->admit({78, 0, 1}));
  const std::array<std::string, 1> unknown{"no-such-user"};
  CHECK(!Callers::parse(unknown));
}

void knows_a_door_by_its_text() {
  CHECK(door_path("unix:run/x") == "run/x" && door_path("/run/x") == "/run/x");
  CHECK(door_path("./x") == "./x" && !door_path("moat-queue") && !door_path(""));
}

}  // namespace

int main() {
  carries_packets_whole();
  refuses_what_is_too_large();
  passes_descriptors();
  tells_that_nobody_is_there();
  takes_callers_and_knows_them();
  admits_whom_it_was_told();
  knows_a_door_by_its_text();
  return test::done();
}
