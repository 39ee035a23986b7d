#include "libcommon/base/environment.h"

#include <array>

#include "tests/unit/check.h"

using namespace moat;

namespace {

using Strings = std::vector<std::string>;

void copies_what_execve_gave() {
  const std::array<const char *, 6> envp{"A=1", "B=", "A=2", "broken", "C=x=y", nullptr};
  const Environment env = Environment::from(envp.data());
  CHECK(env.strings() == (Strings{"A=1", "B=", "C=x=y"}));
  CHECK(env.get("B") == "");
  CHECK(!env.get("broken"));
  CHECK(Environment::from(nullptr).strings().empty());
}

void tells_empty_from_unset() {
  Environment env;
  env.set("EMPTY", "");
  CHECK(env.get("EMPTY").has_value());
  CHECK(!env.get("UNSET"));
  CHECK(env.get_or("EMPTY", "x") == "x");
  CHECK(env.get_or("UNSET", "x") == "x");
}

void finds_the_client_under_any_ucspi_server() {
  Environment env;
  env.set("TCPREMOTEIP", "192.0.2.1");
  CHECK(env.ucspi("REMOTEIP") == "192.0.2.1");
  env.set("PROTO", "TCP6");
  CHECK(env.ucspi("REMOTEIP") == "192.0.2.1");
  env.set("TCP6REMOTEIP", "2001:db8::1");
  CHECK(env.ucspi("REMOTEIP") == "2001:db8::1");
  env.set("PROTO", "");
  CHECK(env.ucspi("REMOTEIP") == "192.0.2.1");
  CHECK(!env.ucspi("REMOTEPORT"));
}

void keeps_control_octets_out() {
  using namespace std::literals;
  Environment env;
  env.set("MOAT_PTR", "a\r\nX: y\x7f\0b\xff"sv);
  CHECK(env.get("MOAT_PTR") == "a??X: y??b\xff");
  env.set_verbatim("RELAYCLIENT", "a\tb\0c"sv);
  CHECK(env.get("RELAYCLIENT") == "a\tb");
}

void forgets() {
  Environment env;
  for (const char *name : {"TCP", "TCPREMOTEIP", "TCQ", "TCO"}) env.set(name, "x");
  env.unset_prefix("TCP");
  CHECK(env.strings() == (Strings{"TCO=x", "TCQ=x"}));
  env.unset("TCO");
  env.unset("never there");
  CHECK(env.strings() == Strings{"TCQ=x"});
}

void calls_for_each_of_a_prefix_in_order() {
  Environment env;
  for (const char *name : {"MOAT_Z", "MOAT_A", "MOAS", "MOAU"}) env.set(name, "v");
  Strings seen;
  env.each("MOAT_", [&](std::string_view name, std::string_view value) {
    seen.push_back(std::string(name).append("=").append(value));
  });
  CHECK(seen == (Strings{"MOAT_A=v", "MOAT_Z=v"}));
}

}  // namespace

int main() {
  copies_what_execve_gave();
  tells_empty_from_unset();
  finds_the_client_under_any_ucspi_server();
  keeps_control_octets_out();
  forgets();
  calls_for_each_of_a_prefix_in_order();
  return test::done();
}
