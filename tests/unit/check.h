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

#define CHECK(claim) moat::test::report((claim), #claim, __FILE__, __LINE__)
