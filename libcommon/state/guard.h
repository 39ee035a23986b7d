// A guard around look-ups in mapped files. Where a page holds damage, LMDB
// follows it: past the end of the file (SIGBUS), out of the map (SIGSEGV), into
// a division (SIGFPE) or an assertion. Here, and only here, these become an
// error; everywhere else they end the process as ever.

#pragma once

namespace moat {

// Catches the three signals while it lives, and then puts back what was there.
// Guards may nest.
class FaultGuard {
 public:
  FaultGuard();
  ~FaultGuard();
  FaultGuard(const FaultGuard &) = delete;
  FaultGuard &operator=(const FaultGuard &) = delete;

  // Runs `call`. Returns false when it met a fault, and was left then and there:
  // it must own nothing, and what it was changing is lost. Needs a FaultGuard.
  template <typename Call>
  static bool run(Call &&call) {
    return run_with([](void *context) { (*static_cast<Call *>(context))(); },
                    const_cast<void *>(static_cast<const void *>(&call)));
  }

  // Leaves run() as a fault does; returns when there is none to leave.
  static void leave();

 private:
  static bool run_with(void (*call)(void *), void *context);
};

}  // namespace moat
