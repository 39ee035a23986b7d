// usage: recorder DIR OUT PROGRAM [ARG ...]
//
// Runs the program and its descendants, and records what they do to the files
// and folders under DIR, in the order in which the calls returned, so that a
// test can rebuild what a power loss would have left at each moment.
//
// OUT.data gets the octets that were written, sent or received; OUT.log a line
// an event, fields separated by tabs. INODE is DEVICE:NUMBER, OFFSET:SIZE of
// OUT.data, BEGAN the number of lines that stood before when the call began.
//
//   open PID INODE PATH TRUNCATED           a file was opened to be made or cut
//   write PID INODE AT OFFSET:SIZE DURABLE  DURABLE: 1 by O_DSYNC or RWF_DSYNC
//   size PID INODE SIZE GROWS               ftruncate; fallocate only GROWS
//   sync PID INODE BEGAN NAME               fsync, fdatasync; INODE *: sync
//   link PID INODE PATH
//   mkdir PID INODE PATH
//   rename PID OLD NEW
//   unlink PID PATH                         also a rmdir
//   map PID INODE PATH                      shared and writable: not recorded
//   send PID SOCKET OFFSET:SIZE             SOCKET: its inode
//   receive PID SOCKET OFFSET:SIZE
//   say PID OFFSET:SIZE                     written to descriptor 2
//   exec PID PATH NOTE                      NOTE: the variable RECORD_NOTE
//   end PID CODE
//
// With RECORD_KILL=N the process that was started with RECORD_NOTE=victim is
// killed at its Nth call.
//
// Exits with the program's code. What it cannot record (io_uring, a symbolic
// link) ends it with 111: a test must not be misled.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>

#include "tests/tools/call_names.h"
#include "tests/tools/tracer.h"

namespace moat::test {
namespace {

std::string inode_of(const struct stat &status) {
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

class Recorder : public Watcher {
 public:
  Recorder(const char *folder, const std::string &out) {
    char real[4096];
    if (::realpath(folder, real) == nullptr) fail(folder);
    const char *at = std::getenv("RECORD_KILL");
    if (at != nullptr) kill_at_ = std::strtoull(at, nullptr, 10);
    under_ = std::string(real) + "/";
    log_ = std::fopen((out + ".log").c_str(), "w");
    data_ = std::fopen((out + ".data").c_str(), "w");
    if (log_ == nullptr || data_ == nullptr) fail(out.c_str());
  }
  ~Recorder() override {
    if (std::fclose(log_) != 0 || std::fclose(data_) != 0) fail("the record");
  }
  Recorder(const Recorder &) = delete;
  Recorder &operator=(const Recorder &) = delete;

  Verdict entry(const Stop &stop) override {
    began_[stop.pid] = lines_;
    before_[stop.pid] = names_of(stop);
    if (stop.pid == victim_ && ++victim_calls_ == kill_at_) return Verdict::kill;
    return Verdict::go_on;
  }

  void exit(const Stop &stop) override {
    if (stop.result < 0) return;
    switch (stop.number) {
      case SYS_write:
      case SYS_writev:
      case SYS_pwrite64:
      case SYS_pwritev:
      case SYS_pwritev2:
      case SYS_sendfile:
      case SYS_copy_file_range:
      case SYS_splice: return wrote(stop);
      case SYS_fsync: return synced(stop, "fsync");
      case SYS_fdatasync: return synced(stop, "fdatasync");
      case SYS_sync:
      case SYS_syncfs: return line("sync", stop.pid, "*\t" + began(stop.pid) + "\tsync");
      case SYS_ftruncate: return resized(stop, stop.args[1], false);
      case SYS_fallocate:
        if (stop.args[1] != 0) std::fputs("recorder: fallocate with a mode\n", stderr);
        if (stop.args[1] != 0) std::_Exit(111);
        return resized(stop, stop.args[2] + stop.args[3], true);
      case SYS_mmap: return mapped(stop);
      case SYS_sendto:
      case SYS_sendmsg:
      case SYS_recvfrom:
      case SYS_recvmsg:
      case SYS_read: return talked(stop);
      default: return exit_of_name(stop);
    }
  }

  void exec(pid_t pid) override {
    if (note(pid) == "victim") victim_ = pid;
    line("exec", pid, proc_link(pid, "exe") + "\t" + note(pid));
  }
  void end(pid_t pid, int code) override { line("end", pid, std::to_string(code)); }

 private:
  void line(const char *event, pid_t pid, const std::string &rest) {
    std::fprintf(log_, "%s\t%d\t%s\n", event, pid, rest.c_str());
    ++lines_;
  }
  // The value of RECORD_NOTE as the process was given it.
  static std::string note(pid_t pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/environ";
    std::FILE *file = std::fopen(path.c_str(), "r");
    if (file == nullptr) return {};
    std::string text(65536, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file));
    std::fclose(file);
    const std::string name("\0RECORD_NOTE=", 13);
    const std::size_t at = (std::string(1, '\0') + text).find(name);
    return at == std::string::npos ? "" : text.substr(at + 12).c_str();
  }

  std::string began(pid_t pid) { return std::to_string(began_[pid]); }

  // Keeps octets. Returns OFFSET:SIZE.
  std::string keep(const std::string &octets) {
    std::fwrite(octets.data(), 1, octets.size(), data_);
    const std::string place = std::to_string(kept_) + ":" + std::to_string(octets.size());
    kept_ += octets.size();
    return place;
  }

  // --- descriptors ---

  struct Target {
    bool ours = false;  // a file or folder under DIR, or one that lost its name
    bool socket = false;
    std::string inode;
    std::string path;
  };
  Target target(pid_t pid, std::uint64_t fd) const {
    const std::string name = "fd/" + std::to_string(static_cast<int>(fd));
    struct stat status{};
    const std::string proc = "/proc/" + std::to_string(pid) + "/" + name;
    if (::stat(proc.c_str(), &status) < 0) return {};
    Target found{false, S_ISSOCK(status.st_mode), inode_of(status), proc_link(pid, name)};
    found.ours = found.path.starts_with(under_) || found.path + "/" == under_;
    return found;
  }

  // A line of /proc/PID/fdinfo/N.
  static std::uint64_t fdinfo(pid_t pid, std::uint64_t fd, const char *name, int base) {
    const std::string path =
        "/proc/" + std::to_string(pid) + "/fdinfo/" + std::to_string(fd);
    std::FILE *file = std::fopen(path.c_str(), "r");
    if (file == nullptr) return 0;
    char text[256];
    std::uint64_t value = 0;
    while (std::fgets(text, sizeof text, file) != nullptr) {
      const std::size_t size = std::strlen(name);
      if (std::strncmp(text, name, size) == 0) {
        value = std::strtoull(text + size, nullptr, base);
      }
    }
    std::fclose(file);
    return value;
  }

  // The octets of an iovec array, `size` at most.
  static std::string gather(pid_t pid, std::uint64_t vector, std::uint64_t count,
                            std::size_t size) {
    const std::string raw = octets_of(pid, vector, count * sizeof(iovec));
    std::vector<iovec> pieces(raw.size() / sizeof(iovec));
    std::memcpy(pieces.data(), raw.data(), pieces.size() * sizeof(iovec));
    std::string octets;
    for (const iovec &piece : pieces) {
      const std::size_t want = std::min(piece.iov_len, size - octets.size());
      octets += octets_of(pid, reinterpret_cast<std::uint64_t>(piece.iov_base), want);
    }
    return octets;
  }

  // What the call wrote; what did not come from memory is read back.
  static std::string written(const Stop &stop, std::uint64_t fd, std::uint64_t at) {
    const auto size = static_cast<std::size_t>(stop.result);
    switch (stop.number) {
      case SYS_write:
      case SYS_pwrite64: return octets_of(stop.pid, stop.args[1], size);
      case SYS_writev:
      case SYS_pwritev:
      case SYS_pwritev2: return gather(stop.pid, stop.args[1], stop.args[2], size);
      default: {
        const std::string path =
            "/proc/" + std::to_string(stop.pid) + "/fd/" + std::to_string(fd);
        const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (file < 0) fail(path.c_str());
        std::string octets(size, '\0');
        if (::pread(file, octets.data(), size, static_cast<off_t>(at)) != stop.result) {
          fail(path.c_str());
        }
        ::close(file);
        return octets;
      }
    }
  }

  void wrote(const Stop &stop) {
    std::uint64_t fd = stop.args[0];
    if (stop.number == SYS_copy_file_range || stop.number == SYS_splice)
      fd = stop.args[2];
    const Target to = target(stop.pid, fd);
    if (stop.result == 0) return;
    if (to.socket) {
      return line("send", stop.pid, to.inode + "\t" + keep(written(stop, fd, 0)));
    }
    if (fd == 2) return line("say", stop.pid, keep(written(stop, fd, 0)));
    if (!to.ours) return;
    const bool positioned = stop.number == SYS_pwrite64 || stop.number == SYS_pwritev ||
                            stop.number == SYS_pwritev2;
    const auto size = static_cast<std::uint64_t>(stop.result);
    const std::uint64_t at =
        positioned ? stop.args[3] : fdinfo(stop.pid, fd, "pos:", 10) - size;
    const bool durable = (fdinfo(stop.pid, fd, "flags:", 8) & O_DSYNC) != 0 ||
                         (stop.number == SYS_pwritev2 && (stop.args[5] & 6) != 0);
    const std::string octets = written(stop, fd, at);
    if (octets.size() != size) fail("what was written");
    line("write", stop.pid,
         to.inode + "\t" + std::to_string(at) + "\t" + keep(octets) +
             (durable ? "\t1" : "\t0"));
  }

  void synced(const Stop &stop, const char *name) {
    const Target to = target(stop.pid, stop.args[0]);
    if (to.ours) line("sync", stop.pid, to.inode + "\t" + began(stop.pid) + "\t" + name);
  }

  void resized(const Stop &stop, std::uint64_t size, bool grows) {
    const Target to = target(stop.pid, stop.args[0]);
    if (!to.ours) return;
    line("size", stop.pid,
         to.inode + "\t" + std::to_string(size) + (grows ? "\t1" : "\t0"));
  }

  void mapped(const Stop &stop) {
    if ((stop.args[3] & MAP_SHARED) == 0 || (stop.args[2] & PROT_WRITE) == 0) return;
    const Target to = target(stop.pid, stop.args[4]);
    if (to.ours) line("map", stop.pid, to.inode + "\t" + to.path);
  }

  void talked(const Stop &stop) {
    const Target to = target(stop.pid, stop.args[0]);
    if (!to.socket || stop.result == 0) return;
    const auto size = static_cast<std::size_t>(stop.result);
    std::string octets;
    if (stop.number == SYS_sendmsg || stop.number == SYS_recvmsg) {
      msghdr header{};
      const std::string raw = octets_of(stop.pid, stop.args[1], sizeof header);
      std::memcpy(&header, raw.data(), raw.size());
      octets = gather(stop.pid, reinterpret_cast<std::uint64_t>(header.msg_iov),
                      header.msg_iovlen, size);
    } else {
      octets = octets_of(stop.pid, stop.args[1], size);
    }
    const bool sends = stop.number == SYS_sendto || stop.number == SYS_sendmsg;
    line(sends ? "send" : "receive", stop.pid, to.inode + "\t" + keep(octets));
  }

  // --- names ---

  void exit_of_name(const Stop &stop) {
    const Names &names = before_[stop.pid];
    const bool old_ours = names.old_path.starts_with(under_);
    const bool new_ours = names.new_path.starts_with(under_);
    switch (stop.number) {
      case SYS_openat:
#if defined(__x86_64__)
      case SYS_open:
      case SYS_creat:
#endif
        if (old_ours || (names.flags & O_TMPFILE) == O_TMPFILE) opened(stop, names);
        return;
      case SYS_renameat2:
#if defined(__x86_64__)
      case SYS_rename:
      case SYS_renameat:
#endif
        if (old_ours && new_ours && names.flags <= RENAME_NOREPLACE) {
          return line("rename", stop.pid, names.old_path + "\t" + names.new_path);
        }
        if (old_ours || new_ours) refuse(names);
        return;
      case SYS_linkat:
      case SYS_mkdirat:
#if defined(__x86_64__)
      case SYS_link:
      case SYS_mkdir:
#endif
        if (new_ours) linked(stop, names.new_path);
        return;
      case SYS_unlinkat:
#if defined(__x86_64__)
      case SYS_unlink:
      case SYS_rmdir:
#endif
        if (old_ours) line("unlink", stop.pid, names.old_path);
        return;
      case SYS_symlinkat:
      case SYS_truncate:
      case SYS_io_uring_setup:
#if defined(__x86_64__)
      case SYS_symlink:
#endif
        if (old_ours || new_ours || stop.number == SYS_io_uring_setup) refuse(names);
        return;
      default: return;
    }
  }

  [[noreturn]] static void refuse(const Names &names) {
    std::fprintf(stderr, "recorder: cannot record this call: %s %s\n",
                 names.old_path.c_str(), names.new_path.c_str());
    std::_Exit(111);
  }

  void opened(const Stop &stop, const Names &names) {
    const bool makes = (names.flags & (O_CREAT | O_TRUNC)) != 0;
    const bool named = (names.flags & O_TMPFILE) != O_TMPFILE;
    if (!makes && named) return;
    const Target to = target(stop.pid, static_cast<std::uint64_t>(stop.result));
    if (!to.ours) return;
    line("open", stop.pid,
         to.inode + "\t" + (named ? names.old_path : "") +
             ((names.flags & O_TRUNC) != 0 ? "\t1" : "\t0"));
  }

  void linked(const Stop &stop, const std::string &path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) < 0) return;  // gone again already
    line(S_ISDIR(status.st_mode) ? "mkdir" : "link", stop.pid,
         inode_of(status) + "\t" + path);
  }

  std::string under_;  // ends in a slash
  std::FILE *log_ = nullptr;
  std::FILE *data_ = nullptr;
  pid_t victim_ = -1;
  std::uint64_t victim_calls_ = 0;
  std::uint64_t kill_at_ = 0;
  std::uint64_t lines_ = 0;
  std::uint64_t kept_ = 0;
  std::map<pid_t, std::uint64_t> began_;
  std::map<pid_t, Names> before_;
};

}  // namespace
}  // namespace moat::test

int main(int argc, char **argv) {
  if (argc < 4) {
    std::fputs("usage: recorder DIR OUT PROGRAM [ARG ...]\n", stderr);
    return 100;
  }
  moat::test::Recorder recorder(argv[1], argv[2]);
  return moat::test::Tracer(recorder, 0).run(argv + 3);
}
