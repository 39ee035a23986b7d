#include "libcommon/state/guard.h"

#include <array>
#include <csetjmp>
#include <csignal>
#include <utility>

namespace moat {
namespace {

constexpr std::array signals{SIGBUS, SIGSEGV, SIGFPE};

// What a signal handler can reach is global by nature; these are the only
// mutable globals of ours.
thread_local sigjmp_buf *way_out = nullptr;           // NOLINT
thread_local int depth = 0;                           // NOLINT
std::array<struct sigaction, signals.size()> before;  // NOLINT

extern "C" void moat_fault(int signal) {
  if (way_out != nullptr) siglongjmp(*way_out, 1);  // NOLINT(cert-err52-cpp)
  ::signal(signal, SIG_DFL);                        // not ours
  ::raise(signal);
}

}  // namespace

FaultGuard::FaultGuard() {
  if (depth++ > 0) return;
  struct sigaction action{};
  action.sa_handler = &moat_fault;  // NOLINT(cppcoreguidelines-pro-type-union-access)
  // The mask stays as it is, so that leaving by a jump needs no system call.
  action.sa_flags = SA_NODEFER;
  for (std::size_t i = 0; i < signals.size(); ++i) {
    ::sigaction(signals.at(i), &action, &before.at(i));
  }
}

FaultGuard::~FaultGuard() {
  if (--depth > 0) return;
  for (std::size_t i = 0; i < signals.size(); ++i) {
    ::sigaction(signals.at(i), &before.at(i), nullptr);
  }
}

bool FaultGuard::run_with(void (*call)(void *), void *context) {
  sigjmp_buf here;
  sigjmp_buf *const outer = std::exchange(way_out, &here);
  if (sigsetjmp(here, 0) != 0) {  // NOLINT(cert-err52-cpp)
    way_out = outer;
    return false;
  }
  call(context);
  way_out = outer;
  return true;
}

void FaultGuard::leave() {
  if (way_out != nullptr) siglongjmp(*way_out, 1);  // NOLINT(cert-err52-cpp)
}

}  // namespace moat
