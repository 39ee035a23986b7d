// CHECK, and a main that reports in TAP.

#pragma once

#include <cstdio>

namespace moat::test {

inline int count = 0;
inline int failures = 0;

inline void report(bool good, const char *claim, const char *file, int line) {
  ++count;
  std::printf("%s %d - %s\n", good ? "ok" : "not ok", count, claim);
  if (good) return;
  ++failures;
  std::printf("# at %s:%d\n", file, line);
}

// Ends main: prints the plan and returns the exit code.
inline int done() {
  std::printf("1..%d\n", count);
  return failures == 0 ? 0 : 1;
}

}  // namespace moat::test

// The claim may be anything that is true or false: a Result, an optional, a lambda.
#define CHECK(...) \
  moat::test::report(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
