// Runs a program and all its descendants under ptrace, and stops at each of
// their system calls. Tests use it to kill, to inject errors and to record.

#pragma once

#include <elf.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace moat::test {

// One stop: at the entry of a call, or at its exit.
struct Stop {
  pid_t pid;
  std::uint64_t number;   // SYS_...
  std::uint64_t args[6];  // as at the entry
  std::int64_t result;    // at the exit: the value, or -errno
};

// What a watcher may have done with the call it is shown.
enum class Verdict {
  go_on,  // let it happen
  kill,   // SIGKILL for the process that makes it; the call does not happen
  fail,   // the call does not happen and returns -Tracer::error()
};

// What is told of the run. Threads are shown as if they were processes.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual Verdict entry(const Stop & /*stop*/) { return Verdict::go_on; }
  virtual void exit(const Stop & /*stop*/) {}
  // The process replaced its program.
  virtual void exec(pid_t /*pid*/) {}
  // It is gone; `code` is 128 and the signal's number where one ended it.
  virtual void end(pid_t /*pid*/, int /*code*/) {}
};

[[noreturn]] inline void fail(const char *what) {
  std::perror(what);
  std::_Exit(111);
}

class Tracer {
 public:
  // With `error` a call that is told to fail returns that errno.
  Tracer(Watcher &watcher, int error) : watcher_(watcher), error_(error) {}

  // Runs the program until it and every descendant are gone. Returns its exit
  // code, 128 and the number where a signal ended it.
  // SIGTERM and SIGALRM are passed on to it.
  int run(char *const *argv) {
    const pid_t first = start(argv);
    static pid_t to_end = 0;
    to_end = first;
    for (const int passed : {SIGTERM, SIGALRM}) {
      ::signal(passed, [](int number) { ::kill(to_end, number); });
    }
    int code = 111;
    for (;;) {
      int status = 0;
      const pid_t pid = ::waitpid(-1, &status, __WALL);
      if (pid < 0 && errno == EINTR) continue;
      if (pid < 0) return code;
      if (WIFSTOPPED(status)) {
        stopped(pid, status);
        continue;
      }
      const int ended = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      if (pid == first) code = ended;
      calls_.erase(pid);
      watcher_.end(pid, ended);
    }
  }

 private:
  // The child waits on a pipe until it is traced, so that nothing is missed.
  static pid_t start(char *const *argv) {
    int gate[2];
    if (::pipe(gate) < 0) fail("pipe");
    const pid_t pid = ::fork();
    if (pid < 0) fail("fork");
    if (pid == 0) {
      char octet = 0;
      ::close(gate[1]);
      if (::read(gate[0], &octet, 1) != 1) std::_Exit(111);
      ::close(gate[0]);
      ::execvp(argv[0], argv);
      fail(argv[0]);
    }
    ::close(gate[0]);
    const unsigned long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK |
                                  PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                                  PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (::ptrace(PTRACE_SEIZE, pid, nullptr, options) < 0) fail("ptrace");
    if (::ptrace(PTRACE_INTERRUPT, pid, nullptr, nullptr) < 0) fail("ptrace");
    if (::write(gate[1], "", 1) != 1) fail("write");
    ::close(gate[1]);
    return pid;
  }

  void stopped(pid_t pid, int status) {
    const int signal = WSTOPSIG(status);
    const int event = status >> 16;
    if (signal == (SIGTRAP | 0x80)) return at_call(pid);
    if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
      ::ptrace(PTRACE_LISTEN, pid, nullptr, nullptr);  // a stop of the whole group
      return;
    }
    if (event == PTRACE_EVENT_EXEC) watcher_.exec(pid);
    go_on(pid, event != 0 ? 0 : signal);
  }

  void at_call(pid_t pid) {
    __ptrace_syscall_info info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0) return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      at_entry(pid, info);
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
      at_exit(pid, info);
    }
    go_on(pid, 0);
  }

  void at_entry(pid_t pid, const __ptrace_syscall_info &info) {
    Call &call = calls_[pid];
    call.failing = false;
    call.stop = {pid, info.entry.nr, {}, 0};
    std::memcpy(call.stop.args, info.entry.args, sizeof call.stop.args);
    switch (watcher_.entry(call.stop)) {
      case Verdict::go_on: return;
      case Verdict::kill: ::kill(pid, SIGKILL); return;
      case Verdict::fail:
        call.failing = true;
        set_registers(pid, -1, true);
        return;
    }
  }

  void at_exit(pid_t pid, const __ptrace_syscall_info &info) {
    const auto found = calls_.find(pid);
    if (found == calls_.end()) return;  // entered before we looked
    Call &call = found->second;
    call.stop.result = info.exit.rval;
    if (call.failing) {
      call.stop.result = -error_;
      set_registers(pid, -error_, false);
    }
    watcher_.exit(call.stop);
  }

  // Sets the call's number at its entry (-1: no call), its value at the exit.
  static void set_registers(pid_t pid, std::int64_t value, bool number) {
    user_regs_struct registers{};
    iovec view{&registers, sizeof registers};
    if (::ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &view) < 0) fail("registers");
    const auto bits = static_cast<unsigned long long>(value);
#if defined(__x86_64__)
    (number ? registers.orig_rax : registers.rax) = bits;
#elif defined(__aarch64__)
    if (number) {
      int call = -1;
      iovec one{&call, sizeof call};
      if (::ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &one) < 0)
        fail("registers");
      return;
    }
    registers.regs[0] = bits;
#else
#error "where does this machine keep a system call's number?"
#endif
    if (::ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &view) < 0) fail("registers");
  }

  static void go_on(pid_t pid, int signal) {
    ::ptrace(PTRACE_SYSCALL, pid, nullptr, static_cast<unsigned long>(signal));
  }

  struct Call {
    Stop stop{};
    bool failing = false;
  };
  Watcher &watcher_;
  int error_;
  std::map<pid_t, Call> calls_;
};

// The octets at `address` of another process; fewer where it has no more.
inline std::string octets_of(pid_t pid, std::uint64_t address, std::size_t size) {
  std::string octets(size, '\0');
  iovec here{octets.data(), size};
  iovec there{reinterpret_cast<void *>(address), size};
  const ssize_t got = ::process_vm_readv(pid, &here, 1, &there, 1, 0);
  octets.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return octets;
}

// The C string at `address`, of at most 4096 octets.
inline std::string text_of(pid_t pid, std::uint64_t address) {
  std::string text;
  while (text.size() < 4096) {
    // A page at a time: the next one may not be there.
    const std::size_t size = 256 - (address + text.size()) % 256;
    const std::string piece = octets_of(pid, address + text.size(), size);
    const std::size_t end = piece.find('\0');
    text += piece.substr(0, end);
    if (end != std::string::npos || piece.empty()) break;
  }
  return text;
}

// Where a link of /proc/PID points.
inline std::string proc_link(pid_t pid, const std::string &name) {
  char target[4096];
  const std::string path = "/proc/" + std::to_string(pid) + "/" + name;
  const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  return {target, size < 0 ? 0 : static_cast<std::size_t>(size)};
}

// The absolute path that a call means by a folder's descriptor and a path; the
// folder is resolved, its last name is not followed.
inline std::string path_of(pid_t pid, std::int32_t folder, const std::string &path) {
  std::string whole = path;
  if (path.empty() || path[0] != '/') {
    whole = folder == -100 ? proc_link(pid, "cwd")
                           : proc_link(pid, "fd/" + std::to_string(folder));
    if (!path.empty()) whole += "/" + path;
  }
  const std::size_t slash = whole.rfind('/');
  char real[4096];
  const std::string parent = slash == 0 ? "/" : whole.substr(0, slash);
  if (::realpath(parent.c_str(), real) == nullptr) return whole;
  const std::string base = real;
  return (base == "/" ? "" : base) + whole.substr(slash);
}

}  // namespace moat::test
