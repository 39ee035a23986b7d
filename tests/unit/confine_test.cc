#include "libcommon/process/confine.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>

#include "tests/unit/check.h"

using namespace moat;

namespace {

#ifndef MOAT_SANITIZED

std::string folder_of_the_test() {
  std::string name = "/tmp/confine_test.XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) std::abort();
  return name;
}

// Returns how a confined child ends: 0 to 255 as it says, or minus its signal.
int confined(const Confinement &confinement, const std::function<int()> &act) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (!confine(confinement)) ::_exit(99);
    ::_exit(act());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int open_errno(const std::string &path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  return fd >= 0 ? 0 : errno;
}

void takes_away_what_an_intruder_wants() {
  const auto exec = [] {
    ::execl("/bin/true", "true", nullptr);
    return 1;
  };
  CHECK(confined({}, exec) == -SIGSYS);
  CHECK(confined({}, [] { return ::setuid(0); }) == -SIGSYS);
  CHECK(confined({}, [] { return ::socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0; }) ==
        EPERM);
  CHECK(confined({}, [] {
          void *page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
          return page == MAP_FAILED ? errno : 0;
        }) == EPERM);
  CHECK(confined({}, [] { return ::listen(0, 1) == 0 ? 0 : errno; }) == ENOSYS);
  CHECK(confined({}, [] { return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); }) == 1);
  CHECK(confined({}, [] { return is_confined() ? 7 : 8; }) == 7);
  CHECK(!is_confined());
}

void leaves_what_a_session_needs() {
  const auto fork_and_wait = [] {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(5);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
  };
  CHECK(confined({}, fork_and_wait) == 5);
  CHECK(confined({}, [] {
          const int fd = ::memfd_create("spool", MFD_CLOEXEC);
          return ::write(fd, "x", 1) == 1 ? 0 : 1;
        }) == 0);
  CHECK(confined({}, [] { return ::socket(AF_UNIX, SOCK_SEQPACKET, 0) >= 0 ? 0 : 1; }) ==
        0);
  // abort must still be seen as an abort.
  CHECK(confined({}, []() -> int { std::abort(); }) == -SIGABRT);
}

void opens_only_the_paths_named() {
  const std::string folder = folder_of_the_test();
  const std::string read = folder + "/read";
  const std::string write = folder + "/write";
  const std::string other = folder + "/other";
  for (const auto &name : {read, write, other}) ::mkdir(name.c_str(), 0700);
  for (const auto &name : {read, write, other}) {
    open_errno(name + "/file", O_CREAT | O_WRONLY);
  }
  const Confinement paths{{read, folder + "/missing"}, {write}};
  const bool landlocked =
      confined(paths, [&] { return open_errno(other + "/file", O_RDONLY); }) == EACCES;
  if (landlocked) {
    CHECK(confined(paths, [&] { return open_errno(read + "/file", O_RDONLY); }) == 0);
    CHECK(confined(paths, [&] { return open_errno(read + "/file", O_RDWR); }) == EACCES);
    CHECK(confined(paths, [&] { return open_errno(write + "/new", O_CREAT | O_RDWR); }) ==
          0);
    CHECK(confined({{read + "/file"}, {}},
                   [&] { return open_errno(read + "/file", O_RDONLY); }) == 0);
  } else {
    std::printf("# no Landlock in this kernel\n");
  }
  const std::string remove = "rm -r " + folder;
  CHECK(std::system(remove.c_str()) == 0);  // NOLINT(cert-env33-c)
}

#endif

}  // namespace

int main() {
#ifndef MOAT_SANITIZED
  takes_away_what_an_intruder_wants();
  leaves_what_a_session_needs();
  opens_only_the_paths_named();
#endif
  return test::done();
}
