#include "libcommon/process/confine.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "libcommon/base/fd.h"

namespace moat {

bool is_confined() { return ::prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER; }

#ifdef MOAT_SANITIZED

Status confine(const Confinement & /*confinement*/) { return done; }

#else

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t our_arch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t our_arch = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t our_arch = 0;
#endif

// What a conversation, a look-up in a map, a spool and a fork take. Nothing
// here makes a listener, changes an identity, or starts a program.
constexpr auto allowed = std::to_array<unsigned>({
    __NR_read,
    __NR_write,
    __NR_readv,
    __NR_writev,
    __NR_pread64,
    __NR_pwrite64,
    __NR_preadv,
    __NR_pwritev,
    __NR_close,
    __NR_close_range,
    __NR_fstat,
    __NR_newfstatat,
    __NR_statx,
    __NR_fstatfs,
    __NR_lseek,
    __NR_openat,
    __NR_faccessat,
    __NR_faccessat2,
    __NR_readlinkat,
    __NR_munmap,
    __NR_mremap,
    __NR_madvise,
    __NR_msync,
    __NR_brk,
    __NR_rt_sigaction,
    __NR_rt_sigprocmask,
    __NR_rt_sigreturn,
    __NR_rt_sigpending,
    __NR_rt_sigtimedwait,
    __NR_rt_sigsuspend,
    __NR_sigaltstack,
    __NR_ppoll,
    __NR_pselect6,
    __NR_epoll_create1,
    __NR_epoll_ctl,
    __NR_epoll_pwait,
    __NR_eventfd2,
    __NR_signalfd4,
    __NR_timerfd_create,
    __NR_timerfd_settime,
    __NR_setitimer,
    __NR_getitimer,
    __NR_nanosleep,
    __NR_clock_nanosleep,
    __NR_clock_gettime,
    __NR_clock_getres,
    __NR_gettimeofday,
    __NR_getpid,
    __NR_getppid,
    __NR_gettid,
    __NR_getuid,
    __NR_geteuid,
    __NR_getgid,
    __NR_getegid,
    __NR_getresuid,
    __NR_getresgid,
    __NR_getgroups,
    __NR_getpgid,
    __NR_setpgid,
    __NR_dup,
    __NR_dup3,
    __NR_pipe2,
    __NR_fcntl,
    __NR_flock,
    __NR_fsync,
    __NR_fdatasync,
    __NR_ftruncate,
    __NR_fallocate,
    __NR_fadvise64,
    __NR_unlinkat,
    __NR_renameat,
    __NR_linkat,
    __NR_memfd_create,
    __NR_socketpair,
    __NR_connect,
    __NR_bind,
    __NR_sendto,
    __NR_recvfrom,
    __NR_sendmsg,
    __NR_recvmsg,
    __NR_sendmmsg,
    __NR_recvmmsg,
    __NR_getsockopt,
    __NR_setsockopt,
    __NR_getsockname,
    __NR_getpeername,
    __NR_shutdown,
    __NR_wait4,
    __NR_waitid,
    __NR_kill,
    __NR_tgkill,
    __NR_pidfd_open,
    __NR_pidfd_send_signal,
    __NR_exit,
    __NR_exit_group,
    __NR_getrandom,
    __NR_futex,
    __NR_set_robust_list,
    __NR_set_tid_address,
    __NR_rseq,
    __NR_sched_yield,
    __NR_sched_getaffinity,
    __NR_prlimit64,
    __NR_uname,
    __NR_sysinfo,
    __NR_umask,
    __NR_restart_syscall,
    __NR_sendfile,
    __NR_copy_file_range,
    __NR_splice,
    __NR_getcwd,
    __NR_chdir,
#ifdef __x86_64__  // the older names that its libc still uses
    __NR_open,
    __NR_stat,
    __NR_lstat,
    __NR_access,
    __NR_readlink,
    __NR_poll,
    __NR_select,
    __NR_epoll_wait,
    __NR_fork,
    __NR_vfork,
    __NR_dup2,
    __NR_pipe,
    __NR_unlink,
    __NR_rename,
    __NR_renameat2,
    __NR_link,
    __NR_time,
    __NR_alarm,
    __NR_getpgrp,
    __NR_getrlimit,
#endif
});

// Who tries these has been taken over: the death tells the log.
constexpr auto deadly = std::to_array<unsigned>({
    __NR_execve,
    __NR_execveat,
    __NR_ptrace,
    __NR_process_vm_readv,
    __NR_process_vm_writev,
    __NR_init_module,
    __NR_finit_module,
    __NR_bpf,
    __NR_kexec_load,
    __NR_mount,
    __NR_pivot_root,
    __NR_setns,
    __NR_unshare,
    __NR_open_by_handle_at,
    __NR_io_uring_setup,
    __NR_userfaultfd,
    __NR_perf_event_open,
    __NR_keyctl,
    __NR_add_key,
    __NR_setuid,
    __NR_setgid,
    __NR_setresuid,
    __NR_setresgid,
});

constexpr auto families = std::to_array<unsigned>({AF_UNIX, AF_INET, AF_INET6});
constexpr auto process_options = std::to_array<unsigned>(
    {PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP, PR_GET_NO_NEW_PRIVS});
constexpr std::uint32_t namespace_flags = 0x7e020080;  // CLONE_NEW*
constexpr std::uint32_t prot_exec = 4;
constexpr std::uint32_t x32_bit = 0x40000000;

constexpr std::uint32_t allow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t unknown = SECCOMP_RET_ERRNO | ENOSYS;  // libc goes another way
constexpr std::uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
constexpr std::uint32_t die = SECCOMP_RET_KILL_PROCESS;

// A filter under construction; the accumulator holds the call's number.
class Filter {
 public:
  Filter() {
    load(offsetof(seccomp_data, arch));
    step(BPF_JMP | BPF_JEQ | BPF_K, our_arch, 1, 0);
    give(die);
    load(offsetof(seccomp_data, nr));
    step(BPF_JMP | BPF_JGE | BPF_K, x32_bit, 0, 1);
    give(die);
  }

  void on_call(unsigned number, std::uint32_t action) {
    step(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
    give(action);
  }

  // Allows the call when its argument is one of `values`.
  template <std::size_t N>
  void on_value(unsigned number, unsigned argument,
                const std::array<unsigned, N> &values) {
    step(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 2 + 2 * N);
    load_argument(argument);
    for (const unsigned value : values) on_call(value, allow);
    give(refuse);
  }

  // Allows the call when its argument has none of these bits.
  void on_bits(unsigned number, unsigned argument, std::uint32_t bits,
               std::uint32_t otherwise) {
    step(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4);
    load_argument(argument);
    step(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
    give(otherwise);
    give(allow);
  }

  void give(std::uint32_t action) { step(BPF_RET | BPF_K, action, 0, 0); }

  bool install() {
    const sock_fprog program{static_cast<unsigned short>(steps_.size()), steps_.data()};
    return ::syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
                     SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0;
  }

 private:
  void load(std::size_t offset) {
    step(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset), 0, 0);
  }
  void load_argument(unsigned argument) {  // its low word: both machines are little
    load(offsetof(seccomp_data, args) + 8UL * argument);
  }
  void step(unsigned code, std::uint32_t k, std::size_t yes, std::size_t no) {
    steps_.push_back({static_cast<std::uint16_t>(code), static_cast<std::uint8_t>(yes),
                      static_cast<std::uint8_t>(no), k});
  }
  std::vector<sock_filter> steps_;
};

bool put_filter() {
  Filter filter;
  for (const unsigned number : deadly) filter.on_call(number, die);
  filter.on_value(__NR_socket, 0, families);
  filter.on_value(__NR_prctl, 0, process_options);
  filter.on_bits(__NR_clone, 0, namespace_flags, die);
  filter.on_bits(__NR_mmap, 2, prot_exec, refuse);
  filter.on_bits(__NR_mprotect, 2, prot_exec, refuse);
  for (const unsigned number : allowed) filter.on_call(number, allow);
  filter.give(unknown);
  return filter.install();
}

// Landlock, as the kernel's header has it; Debian's is older than our kernels.
namespace landlock {
constexpr std::uint64_t write_file = 1U << 1U;
constexpr std::uint64_t read_file = 1U << 2U;
constexpr std::uint64_t read_folder = 1U << 3U;
constexpr std::uint64_t remove_file = 1U << 5U;
constexpr std::uint64_t make_file = 1U << 8U;
constexpr std::uint64_t truncate = 1U << 14U;
constexpr std::uint64_t of_files = write_file | read_file | truncate;
constexpr unsigned path_beneath = 1;
constexpr unsigned ask_version = 1;

struct Ruleset {
  std::uint64_t files;
  std::uint64_t net;
  std::uint64_t scoped;
};
struct [[gnu::packed]] PathBeneath {
  std::uint64_t allowed;
  std::int32_t parent;
};

// Returns every right to files that this version of Landlock knows.
std::uint64_t known_rights(long version) {
  if (version < 2) return 0x1fff;
  if (version < 3) return 0x3fff;
  return version < 5 ? 0x7fff : 0xffff;
}

std::size_t ruleset_size(long version) {
  if (version < 4) return 8;
  return version < 6 ? 16 : 24;
}
}  // namespace landlock

bool open_paths(int ruleset, const std::vector<std::string> &paths,
                std::uint64_t rights) {
  for (const std::string &path : paths) {
    const Fd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
    struct stat about{};
    if (!fd || ::fstat(fd.get(), &about) != 0) continue;
    landlock::PathBeneath rule{rights, fd.get()};
    if (!S_ISDIR(about.st_mode)) rule.allowed &= landlock::of_files;
    if (::syscall(__NR_landlock_add_rule, ruleset, landlock::path_beneath, &rule, 0) !=
        0) {
      return false;
    }
  }
  return true;
}

Status put_landlock(const Confinement &confinement) {
  const long version =
      ::syscall(__NR_landlock_create_ruleset, nullptr, 0, landlock::ask_version);
  if (version < 1) return done;  // the kernel has none: the filter must do
  const std::uint64_t known = landlock::known_rights(version);
  const std::uint64_t read = landlock::read_file | landlock::read_folder;
  const std::uint64_t write = (read | landlock::write_file | landlock::make_file |
                               landlock::remove_file | landlock::truncate) &
                              known;
  const landlock::Ruleset handled{known, 0, 3};  // 3: abstract sockets, signals
  const Fd ruleset(static_cast<int>(::syscall(__NR_landlock_create_ruleset, &handled,
                                              landlock::ruleset_size(version), 0)));
  if (!ruleset) return system_error("landlock_create_ruleset");
  if (!open_paths(ruleset.get(), confinement.read, read) ||
      !open_paths(ruleset.get(), confinement.write, write)) {
    return system_error("landlock_add_rule");
  }
  if (::syscall(__NR_landlock_restrict_self, ruleset.get(), 0) != 0) {
    return system_error("landlock_restrict_self");
  }
  return done;
}

}  // namespace

Status confine(const Confinement &confinement) {
  if (our_arch == 0) return temporary_error("no seccomp filter for this machine");
  // Asked with a null filter, a kernel that has filters says EFAULT.
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr) != 0 && errno != EFAULT) {
    return system_error("seccomp");
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_error("no_new_privs");
  const auto locked = put_landlock(confinement);
  if (!locked) return locked.error();
  if (!put_filter()) return system_error("seccomp");
  return done;
}

#endif

}  // namespace moat
