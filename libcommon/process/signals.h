// Signals as something to read, beside the descriptors of an event loop.

#pragma once

#include <csignal>
#include <initializer_list>
#include <optional>

#include "libcommon/base/fd.h"

namespace moat {

// Blocks these signals and makes them readable at fd(), until destruction puts
// the mask back. A forked child reads its own at the same descriptor.
class SignalReader {
 public:
  explicit SignalReader(std::initializer_list<int> signals);
  SignalReader(const SignalReader &) = delete;
  SignalReader &operator=(const SignalReader &) = delete;
  ~SignalReader();

  int fd() const { return fd_.get(); }

  // Returns the next signal that came, nullopt when there is none. Never waits.
  std::optional<int> next();

 private:
  Fd fd_;
  sigset_t before_{};
};

// Ignores one signal until destruction: SIGXFSZ, so that a file over the limit
// is EFBIG, or SIGPIPE.
class IgnoredSignal {
 public:
  explicit IgnoredSignal(int signal);
  IgnoredSignal(const IgnoredSignal &) = delete;
  IgnoredSignal &operator=(const IgnoredSignal &) = delete;
  ~IgnoredSignal();

 private:
  int signal_;
  struct sigaction before_{};
};

}  // namespace moat
