// Signals as this process inherited them, so that what it starts inherits the
// same, whatever it needed for itself.

#pragma once

#include <csignal>
#include <span>
#include <utility>
#include <vector>

namespace moat {

// Blocks signals and gives them their default disposition, for a descriptor to
// deliver them; remembers what was before.
class HeldSignals {
 public:
  explicit HeldSignals(std::span<const int> signals);
  HeldSignals(const HeldSignals &) = delete;
  HeldSignals &operator=(const HeldSignals &) = delete;
  ~HeldSignals() { restore(); }

  // Returns a new signalfd for them, close-on-exec, that does not block; -1 with
  // errno set.
  int descriptor() const;

  // Puts the mask and the dispositions back: in a child, before it goes on.
  void restore() const;

 private:
  sigset_t mask_{};  // as inherited
  sigset_t held_{};
  std::vector<std::pair<int, struct sigaction>> changed_;
};

}  // namespace moat
