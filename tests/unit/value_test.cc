#include "libcommon/base/value.h"

#include "tests/unit/check.h"

using namespace moat;

namespace {

// Returns what was understood, written out again, or "" if nothing was.
std::string time(std::string_view text) {
  const auto value = parse_duration(text);
  return value ? to_text(*value) : "";
}
std::string size(std::string_view text) {
  const auto value = parse_size(text);
  return value ? size_text(*value) : "";
}
std::string rate(std::string_view text) {
  const auto value = parse_rate(text);
  return value ? to_text(*value) : "";
}

void reads_times() {
  CHECK(parse_duration("90") == Milliseconds(90000));
  CHECK(parse_duration("90s") == Milliseconds(90000));
  CHECK(parse_duration("500ms") == Milliseconds(500));
  CHECK(parse_duration("15m") == Milliseconds(900000));
  CHECK(parse_duration("4h") == Milliseconds(14400000));
  CHECK(parse_duration("35d") == Milliseconds(3024000000));
  CHECK(parse_duration("0") == Milliseconds(0));
  CHECK(parse_duration("3650d").has_value());
  for (const char *text : {"", "s", "-1s", "1.5h", "1 s", "1S", "1h30m", "3651d",
                           "18446744073709551615d", "1w", "0x1s"}) {
    CHECK(time(text) == "");
  }
}

void writes_times_as_short_as_they_go() {
  CHECK(time("90") == "90s");
  CHECK(time("120s") == "2m");
  CHECK(time("48h") == "2d");
  CHECK(time("1500ms") == "1500ms");
  CHECK(time("1000ms") == "1s");
  CHECK(time("0m") == "0s");
}

void reads_and_writes_sizes() {
  CHECK(parse_size("4096") == 4096U);
  CHECK(parse_size("64k") == 65536U);
  CHECK(parse_size("25M") == 26214400U);
  CHECK(parse_size("1G") == 1073741824U);
  CHECK(size("1024") == "1k");
  CHECK(size("1025") == "1025");
  CHECK(size("2048k") == "2M");
  CHECK(size("0") == "0");
  for (const char *text : {"", "k", "-1", "1K", "1kB", "1.5M", " 1", "9999999999G",
                           "18446744073709551616"}) {
    CHECK(size(text) == "");
  }
}

void reads_and_writes_rates() {
  CHECK(parse_rate("60/1h")->count == 60);
  CHECK(parse_rate("60/1h")->period == Milliseconds(3600000));
  CHECK(rate("60/60s") == "60/1m");
  for (const char *text :
       {"", "60", "/60s", "60/", "0/60s", "60/0s", "60/60s/1", "1/x", "4294967296/1s"}) {
    CHECK(rate(text) == "");
  }
}

}  // namespace

int main() {
  reads_times();
  writes_times_as_short_as_they_go();
  reads_and_writes_sizes();
  reads_and_writes_rates();
  return test::done();
}
