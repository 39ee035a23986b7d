// lookup: what it takes to find a recipient, for `make bench`.
//
//   lookup --users N
//
// The directory (MOAT_DIR) must hold user0@bench.test up to N-1. Prints
// microseconds: to open it and find one, as a process for one session does; to
// find one more among all of them, in no order; to learn that one is unknown.

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "libcommon/base/io.h"
#include "libcommon/base/places.h"
#include "libcommon/cli/options.h"
#include "libcommon/directory/directory.h"
#include "libcommon/process/invocation.h"

std::span<const moat::Program *const> moat::program_table() { return {}; }

namespace {

using namespace moat;

constexpr std::uint64_t rounds = 200'000;
constexpr std::uint64_t openings = 1'000;

// Calls `task` with 0 to `count` - 1; returns microseconds a call, or a negative
// number when one call failed.
template <typename Call>
double timed(std::uint64_t count, Call task) {
  const auto began = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!task(i)) return -1;
  }
  const std::chrono::duration<double, std::micro> took =
      std::chrono::steady_clock::now() - began;
  return took.count() / static_cast<double>(count);
}

// Returns one of the users, far from the one before it.
std::string some_user(std::uint64_t i, std::uint64_t users) {
  return "user" + std::to_string(i * 2'654'435'761U % users);
}

bool finds(const Directory &directory, const std::string &local, RecipientKind kind) {
  const auto found = directory.find(local, "bench.test");
  return found && found->kind == kind;
}

Result<const Directory *> opened(Invocation &invocation) {
  return Directory::open(invocation, Places::from(invocation.env));
}

std::string measured(std::uint64_t users) {
  const auto environment = Environment::from(environ);
  const double opening = timed(openings, [&](std::uint64_t i) {
    Invocation invocation(environment, Clock());
    const auto directory = opened(invocation);
    return directory && finds(**directory, some_user(i, users), RecipientKind::account);
  });
  Invocation invocation(environment, Clock());
  const auto directory = opened(invocation);
  if (!directory) return "";
  const double known = timed(rounds, [&](std::uint64_t i) {
    return finds(**directory, some_user(i, users), RecipientKind::account);
  });
  const double unknown = timed(rounds, [&](std::uint64_t i) {
    return finds(**directory, "no" + some_user(i, users), RecipientKind::unknown);
  });
  if (opening < 0 || known < 0 || unknown < 0) return "";
  return "with_opening=" + std::to_string(opening) + " known=" + std::to_string(known) +
         " unknown=" + std::to_string(unknown) + "\n";
}

}  // namespace

int main(int argc, char **argv) {
  std::uint64_t users = 0;
  Options options("lookup", {"lookup OPTIONS"}, "Times look-ups in the directory.");
  options.number("users", "N", users, 1, 1'000'000'000, "that it holds");
  Common common;
  Argv operands;
  const auto stop = options.parse(Argv(argv, argv + argc), {}, common, operands);
  if (stop || users == 0) {
    const std::string text = stop ? stop->text : "lookup: no --users\n";
    (void)std::fprintf(stderr, "%s", text.c_str());
    return stop ? stop->code : exit_permanent;
  }
  const std::string text = measured(users);
  if (text.empty()) (void)std::fprintf(stderr, "lookup: not every user was found\n");
  return !text.empty() && write_all(STDOUT_FILENO, text) ? 0 : exit_temporary;
}
