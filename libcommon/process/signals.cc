#include "libcommon/process/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

namespace moat {

SignalReader::SignalReader(std::initializer_list<int> signals) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : signals) ::sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, &before_);
  fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

SignalReader::~SignalReader() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

std::optional<int> SignalReader::next() {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof info) != sizeof info) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

IgnoredSignal::IgnoredSignal(int signal) : signal_(signal) {
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;  // NOLINT(cppcoreguidelines-pro-type-union-access)
  ::sigaction(signal, &ignore, &before_);
}

IgnoredSignal::~IgnoredSignal() { ::sigaction(signal_, &before_, nullptr); }

}  // namespace moat
