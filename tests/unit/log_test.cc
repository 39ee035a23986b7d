#include "libcommon/base/log.h"

#include <unistd.h>

#include <array>
#include <functional>

#include "tests/unit/check.h"

using namespace moat;

namespace {

// Returns what `write` put on standard error. A pipe holds it all: a line is
// 8 KiB at most.
std::string written(const std::function<void()> &write) {
  std::array<int, 2> pipe{};
  if (::pipe(pipe.data()) != 0) return "no pipe";
  const int saved = ::dup(STDERR_FILENO);
  ::dup2(pipe[1], STDERR_FILENO);
  write();
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  ::close(pipe[1]);
  std::string text(32768, '\0');
  const auto size = ::read(pipe[0], text.data(), text.size());
  ::close(pipe[0]);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

void quotes_what_needs_it() {
  using namespace std::literals;
  CHECK(field_text({"a", "plain-1.2@x=y"}) == "a=plain-1.2@x=y");
  CHECK(field_text({"n", 42}) == "n=42");
  CHECK(field_text({"a", ""}) == "a=\"\"");
  CHECK(field_text({"a", "b c"}) == "a=\"b c\"");
  CHECK(field_text({"a", "q\"\\"}) == R"(a="q\"\\")");
  CHECK(field_text({"a", "x\r\n\0\x1b\x7f\xff"sv}) == R"(a="x\x0d\x0a\x00\x1b\x7f\xff")");
}

void keeps_values_short() {
  CHECK(field_text({"a", std::string(5000, 'x')}) == "a=" + std::string(1000, 'x'));
}

void writes_one_line_an_event() {
  Log log("moat-smtpd");
  log.set_context({{"session", "6f1c09d2"}, {"ip", "203.0.113.9"}});
  CHECK(written([&] { log.event("reject", {{"code", 550}, {"helo", "a\nb"}}); }) ==
        "moat-smtpd: session=6f1c09d2 ip=203.0.113.9 event=reject code=550 "
        "helo=\"a\\x0ab\"\n");
  log.set_name("moat-queue");
  log.set_context({});
  CHECK(written([&] { log.event("queued"); }) == "moat-queue: event=queued\n");
}

void ends_a_line_that_is_too_long() {
  const Log log("x");
  const std::string value(1000, '\n');  // 4,000 octets once escaped
  const std::string line =
      written([&] { log.event("e", {{"a", value}, {"b", value}, {"c", value}}); });
  CHECK(line.size() == 8192);
  CHECK(line.find('\n') == line.size() - 1);
}

void says_without_control_octets() {
  const Log log("moat");
  CHECK(written([&] { log.say("a\nb\x1b[2J"); }) == "moat: a?b?[2J\n");
  CHECK(written([&] { log.fatal("no"); }) == "moat: fatal: no\n");
  CHECK(written([&] { log.foreign("tcpserver: status: 1/40"); }) ==
        "tcpserver: status: 1/40\n");
}

void is_silent_when_told() {
  Log log("moat");
  CHECK(written([&] { log.detail("step"); }).empty());
  log.set_verbose(true);
  CHECK(written([&] { log.detail("step"); }) == "moat: event=step\n");
  log.set_sink(Log::Sink::none);
  CHECK(written([&] {
          log.event("e");
          log.say("s");
          log.fatal("f");
        }).empty());
}

}  // namespace

int main() {
  quotes_what_needs_it();
  keeps_values_short();
  writes_one_line_an_event();
  ends_a_line_that_is_too_long();
  says_without_control_octets();
  is_silent_when_told();
  return test::done();
}
