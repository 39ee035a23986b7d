#include "libcommon/cli/options.h"

#include "libcommon/base/version.h"
#include "tests/unit/check.h"

using namespace moat;

namespace {

using Strings = std::vector<std::string>;

// A program with an option of each kind.
struct Sample {
  bool fast = false;
  std::string name = "none";
  std::uint64_t count = 3;
  Milliseconds delay{6000};
  std::uint64_t size = 1024;
  Rate rate{60, Milliseconds(60000)};
  std::string on_hit = "score";
  std::vector<std::string> zones;
  std::string user;
  Options options{
      "moat-sample", {"OPTIONS PROGRAM [ARG ...]", "--serve PATH"}, "Does nothing."};
  Common common;
  Argv operands;

  Sample() {
    options.flag("fast", fast, "be quick");
    options.text("name", "NAME", name, "a name");
    options.number("count", "N", count, 1, 9, "how many");
    options.duration("delay", "TIME", delay, Milliseconds(0), Milliseconds(60000),
                     "wait so long");
    options.size("size", "SIZE", size, 1, 1U << 20U, "how big");
    options.rate("rate", "RATE", rate, "how often");
    options.choice("on-hit", {"score", "reject"}, on_hit, "what to do");
    options.list("zone", "ZONE", zones, "a list");
    options.text("user", "USER", user, "who to become");
    options.command_line_only();
  }

  std::optional<Stop> parse(const Strings &words, const Strings &variables = {}) {
    Argv argv{"moat-sample"};
    argv.insert(argv.end(), words.begin(), words.end());
    Environment env;
    for (const std::string &variable : variables) {
      const auto equals = variable.find('=');
      env.set_verbatim(variable.substr(0, equals), variable.substr(equals + 1));
    }
    return options.parse(argv, env, common, operands);
  }
};

// Returns the complaint about these words, or "" if there is none.
std::string complaint(const Strings &words, const Strings &variables = {}) {
  const auto stop = Sample().parse(words, variables);
  return stop && stop->code == exit_permanent ? stop->text : "";
}

void reads_every_kind() {
  Sample s;
  CHECK(!s.parse({"--fast",    "--name", "x",      "--count=9", "--delay",  "500ms",
                  "--size",    "1k",     "--rate", "5/1h",      "--on-hit", "reject",
                  "--zone",    "a",      "--zone", "b",         "--user",   "nobody",
                  "--verbose", "--log",  "syslog"}));
  CHECK(s.fast && s.name == "x" && s.count == 9 && s.delay == Milliseconds(500));
  CHECK(s.size == 1024 && s.rate.count == 5 && s.on_hit == "reject");
  CHECK(s.zones == (Strings{"a", "b"}) && s.user == "nobody");
  CHECK(s.common.verbose && s.common.log == Log::Sink::syslog);
  CHECK(s.operands.empty());
}

void takes_values_that_look_like_options() {
  for (const bool interleaved : {false, true}) {
    Sample s;
    if (interleaved) s.options.interleave();
    CHECK(!s.parse({"--name", "count", "--count", "2", "--user", "-text"}));
    CHECK(s.name == "count" && s.count == 2 && s.user == "-text");
    Sample t;
    if (interleaved) t.options.interleave();
    CHECK(!t.parse({"--name", "", "--user", "fast"}) && t.name.empty());
    CHECK(t.user == "fast" && !t.fast);
  }
  CHECK(complaint({"--name", "--fast"}) != "" && complaint({"--name"}) != "");
}

void leaves_the_next_program_its_options() {
  Sample s;
  CHECK(!s.parse({"--fast", "next", "--name", "x", "--", "-y"}));
  CHECK(s.operands == (Strings{"next", "--name", "x", "--", "-y"}));
  CHECK(s.name == "none");
  Sample t;
  CHECK(!t.parse({"--", "--fast", "x"}));
  CHECK(t.operands == (Strings{"--fast", "x"}) && !t.fast);
  Sample u;
  CHECK(!u.parse({"-", "--fast"}));
  CHECK(u.operands == (Strings{"-", "--fast"}));
}

void takes_options_behind_operands_in_the_shell() {
  Sample s;
  s.options.interleave();
  CHECK(!s.parse({"add", "--name", "x", "a@b"}));
  CHECK(s.operands == (Strings{"add", "a@b"}) && s.name == "x");
  Sample t;
  t.options.interleave();
  CHECK(!t.parse({"add", "-", "--", "-f", "--fast"}));
  CHECK(t.operands == (Strings{"add", "-", "-f", "--fast"}) && !t.fast);
  Sample u;
  u.options.interleave();
  CHECK(u.parse({"add", "-f"})->text ==
        "unrecognised option '-f' (moat-sample --help shows what it takes)");
}

void asks_the_environment_after_the_command_line() {
  Sample s;
  CHECK(!s.parse({"--name", "line"},
                 {"MOAT_SAMPLE_NAME=variable", "MOAT_SAMPLE_COUNT=2",
                  "MOAT_SAMPLE_FAST=yes", "MOAT_SAMPLE_ON_HIT=reject",
                  "MOAT_SAMPLE_ZONE=a\n\nb\n", "MOAT_SAMPLE_VERBOSE=1"}));
  CHECK(s.name == "line" && s.count == 2 && s.fast && s.on_hit == "reject");
  CHECK(s.zones == (Strings{"a", "b"}) && s.common.verbose);
  CHECK(s.options.given("name") && s.options.given("count") && !s.options.given("size"));
}

void keeps_some_from_the_environment() {
  Sample s;
  CHECK(!s.parse({}, {"MOAT_SAMPLE_USER=root"}));
  CHECK(s.user.empty());
}

void knows_switches() {
  for (const char *off : {"", "0", "no"}) {
    Sample s;
    CHECK(!s.parse({}, {std::string("MOAT_SAMPLE_FAST=") + off}) && !s.fast);
  }
  CHECK(complaint({}, {"MOAT_SAMPLE_FAST=true"}) ==
        "MOAT_SAMPLE_FAST takes 1, yes, 0, no or nothing, not \"true\"");
}

void names_what_is_wrong_and_what_it_takes() {
  CHECK(complaint({"--count", "10"}) == "--count takes 1 to 9, not \"10\"");
  CHECK(complaint({"--delay", "61s"}) == "--delay takes 0s to 1m, not \"61s\"");
  CHECK(complaint({"--size", "2M"}) == "--size takes 1 to 1M, not \"2M\"");
  CHECK(complaint({"--rate", "60"}) == "--rate takes COUNT/TIME, as 60/60s, not \"60\"");
  CHECK(complaint({"--on-hit", "x"}) == "--on-hit takes score, reject, not \"x\"");
  CHECK(complaint({}, {"MOAT_SAMPLE_COUNT=0"}) ==
        "MOAT_SAMPLE_COUNT takes 1 to 9, not \"0\"");
}

void guesses_nothing() {
  for (const char *word : {"--unknown", "--fas", "--fast=1", "--na", "-f", "-v"}) {
    const std::string text = complaint({word});
    CHECK(text.find("moat-sample --help") != std::string::npos);
    CHECK(text.find('\n') == std::string::npos);
  }
  CHECK(complaint({"--name"}).find("'--name'") != std::string::npos);
}

void says_what_it_takes() {
  const auto stop = Sample().parse({"--help"});
  CHECK(stop && stop->code == exit_ok);
  CHECK(stop->text.starts_with(
      "usage: moat-sample [--fast] [--name NAME] [--count N] [--delay TIME] "
      "[--size SIZE] [--rate RATE] [--on-hit score|reject] [--zone ZONE]... "
      "[--user USER] PROGRAM [ARG ...]\n"
      "       moat-sample --serve PATH\n\nDoes nothing.\n\n"));
  CHECK(stop->text.find("  --count N                 how many (default 3)\n") !=
        std::string::npos);
  CHECK(stop->text.find("who to become [command line only]\n") != std::string::npos);
}

void says_its_version() {
  const auto stop = Sample().parse({"--version"});
  CHECK(stop && stop->code == exit_ok);
  CHECK(stop->text == std::string("moat-sample ") + version + "\n");
}

void shows_values_and_where_they_came_from() {
  const auto stop =
      Sample().parse({"--show-options", "--name", "x"},
                     {"MOAT_SAMPLE_COUNT=2", "MOAT_SAMPLE_CUONT=2", "MOAT_OTHER=1"});
  CHECK(stop && stop->code == exit_ok);
  CHECK(stop->text.find("name=x\tcommand line\n") != std::string::npos);
  CHECK(stop->text.find("count=2\t$MOAT_SAMPLE_COUNT\n") != std::string::npos);
  CHECK(stop->text.find("delay=6s\tdefault\n") != std::string::npos);
  CHECK(stop->text.find("MOAT_SAMPLE_CUONT\tno option of moat-sample\n") !=
        std::string::npos);
  CHECK(stop->text.find("MOAT_OTHER") == std::string::npos);
}

}  // namespace

int main() {
  reads_every_kind();
  takes_values_that_look_like_options();
  leaves_the_next_program_its_options();
  takes_options_behind_operands_in_the_shell();
  asks_the_environment_after_the_command_line();
  keeps_some_from_the_environment();
  knows_switches();
  names_what_is_wrong_and_what_it_takes();
  guesses_nothing();
  says_what_it_takes();
  says_its_version();
  shows_values_and_where_they_came_from();
  return test::done();
}
