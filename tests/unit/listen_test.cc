#include "libcommon/net/listen.h"

#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "libcommon/net/ucspi.h"
#include "tests/unit/check.h"

using namespace moat;
using Kind = ListenAt::Kind;

namespace {

Result<ListenAt> taken(const std::vector<std::string> &words, std::size_t left) {
  std::span<const std::string> rest(words);
  auto at = ListenAt::take(rest);
  if (at) CHECK(rest.size() == left);
  return at;
}

void reads_where_to_listen() {
  CHECK(taken({"0", "25", "sh"}, 1)->kind == Kind::everywhere);
  CHECK(taken({"0", "smtp"}, 0)->port == 25);
  CHECK(taken({"192.0.2.1", "2525"}, 0)->address->text() == "192.0.2.1");
  CHECK(taken({"[2001:db8::1]", "0"}, 0)->address->text() == "2001:db8::1");
  CHECK(taken({"localhost", "0"}, 0)->address->text() == "127.0.0.1");
  CHECK(taken({"unix:/run/x", "sh", "-c"}, 2)->path == "/run/x");
  CHECK(taken({"fd:3", "sh"}, 1)->fd == 3);
  for (const auto &words : std::vector<std::vector<std::string>>{{},
                                                                 {"0"},
                                                                 {"0", "65536"},
                                                                 {"0", "no-such-service"},
                                                                 {"mx.example", "25"},
                                                                 {"unix:"},
                                                                 {"fd:x"},
                                                                 {"fd:-1"},
                                                                 {"", "25"}}) {
    CHECK(!taken(words, 0));
  }
}

void listens_and_says_where() {
  ListenAt at;
  at.kind = Kind::address;
  at.address = IpAddress::parse("127.0.0.1");
  const auto first = Listener::open(at, 5);
  CHECK(first.has_value());
  CHECK(first->port != 0);
  CHECK(first->address->text() == "127.0.0.1");
  at.port = first->port;
  const auto second = Listener::open(at, 5);
  CHECK(!second && second.error().temporary);

  ListenAt inherited;
  inherited.kind = Kind::inherited;
  inherited.fd = ::dup(first->fd.get());
  const auto same = Listener::open(inherited, 5);
  CHECK(same && same->port == first->port);
  inherited.fd = ::dup(STDERR_FILENO);
  const auto none = Listener::open(inherited, 5);
  CHECK(!none && !none.error().temporary);
  ::close(inherited.fd);
}

void forgets_a_session() {
  Environment environment;
  for (const auto *name : {"TCPREMOTEIP", "TCP6REMOTEIP", "SSL_CIPHER", "SMTPAUTHUSER",
                           "PROTO", "RELAYCLIENT", "RBLSMTPD", "ERROR_FD", "MOAT_SESSION",
                           "MOAT_VERDICT", "MOAT_HANDOVER"}) {
    environment.set(name, "x");
  }
  environment.set("MOAT_DIR", "/x");
  environment.set("MOAT_SMTPD_MAX_SIZE", "1");
  environment.set("PATH", "/bin");
  unset_session(environment);
  CHECK(environment.strings() ==
        (std::vector<std::string>{"MOAT_DIR=/x", "MOAT_SMTPD_MAX_SIZE=1", "PATH=/bin"}));
}

}  // namespace

int main() {
  reads_where_to_listen();
  listens_and_says_where();
  forgets_a_session();
  return test::done();
}
