#include "libcommon/process/held_signals.h"

#include <sys/signalfd.h>

namespace moat {

HeldSignals::HeldSignals(std::span<const int> signals) {
  ::sigemptyset(&held_);
  struct sigaction plain{};
  plain.sa_handler = SIG_DFL;  // NOLINT(cppcoreguidelines-pro-type-union-access)
  for (const int signal : signals) {
    ::sigaddset(&held_, signal);
    struct sigaction before{};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler == SIG_DFL) continue;
    // What is ignored would be dropped before any descriptor saw it.
    ::sigaction(signal, &plain, nullptr);
    changed_.emplace_back(signal, before);
  }
  ::sigprocmask(SIG_BLOCK, &held_, &mask_);
}

int HeldSignals::descriptor() const {
  return ::signalfd(-1, &held_, SFD_CLOEXEC | SFD_NONBLOCK);
}

void HeldSignals::restore() const {
  for (const auto &[signal, before] : changed_) ::sigaction(signal, &before, nullptr);
  ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
}

}  // namespace moat
