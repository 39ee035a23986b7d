// usage: killat N REPORT PROGRAM [ARG ...]
//        killat --fail ERRNO --under DIR N REPORT PROGRAM [ARG ...]
//
// Runs the program and its descendants. At the Nth system call, counted over all
// of them, sends SIGKILL to the process that makes it, before the call happens.
// With --fail instead has the Nth call that changes or syncs what lies under DIR
// fail with ERRNO (a number), and, with N written N+, every such call after it.
//
// Writes one line to the file REPORT: "N NAME" when it struck, where NAME is the
// call's number, else "ended COUNT" with the calls there were. Goes on until the
// program and its descendants are gone. Exits with the program's code.

#include <set>

#include "tests/tools/call_names.h"
#include "tests/tools/tracer.h"

namespace moat::test {
namespace {

struct Settings {
  std::uint64_t at = 0;
  bool onward = false;
  int error = 0;  // 0: kill
  std::string under;
  std::string report;
};

// The calls on a descriptor that --fail counts.
const std::set<std::uint64_t> by_descriptor = {
    SYS_write,     SYS_pwrite64, SYS_writev,    SYS_pwritev,   SYS_pwritev2,
    SYS_ftruncate, SYS_fsync,    SYS_fdatasync, SYS_fallocate, SYS_sendfile,
};
// Whether it takes back: a clean-up that fails is another test's business.
bool takes_back(std::uint64_t number) {
#if defined(__x86_64__)
  if (number == SYS_unlink || number == SYS_rmdir) return true;
#endif
  return number == SYS_unlinkat;
}

class Striker : public Watcher {
 public:
  explicit Striker(const Settings &settings) : settings_(settings) {}

  Verdict entry(const Stop &stop) override {
    if (settings_.error != 0 && !concerns(stop)) return Verdict::go_on;
    ++count_;
    const bool strikes =
        settings_.onward ? count_ >= settings_.at : count_ == settings_.at;
    if (settings_.at == 0 || !strikes) return Verdict::go_on;
    if (struck_.empty()) {
      struck_ = std::to_string(count_) + " " + std::to_string(stop.number);
    }
    return settings_.error != 0 ? Verdict::fail : Verdict::kill;
  }

  std::string report() const {
    return struck_.empty() ? "ended " + std::to_string(count_) : struck_;
  }

 private:
  bool concerns(const Stop &stop) const {
    if (by_descriptor.contains(stop.number)) {
      return is_under(proc_link(stop.pid, "fd/" + std::to_string(stop.args[0])));
    }
    if (takes_back(stop.number)) return false;
    const Names names = names_of(stop);
    if (!names.new_path.empty()) return is_under(names.new_path);
    return (names.flags & (O_CREAT | O_TRUNC)) != 0 && is_under(names.old_path);
  }
  bool is_under(const std::string &path) const {
    return path.starts_with(settings_.under + "/");
  }

  const Settings &settings_;
  std::uint64_t count_ = 0;
  std::string struck_;
};

// Takes the words before PROGRAM. Returns where it stands, null when the usage
// is wrong.
char **parse(char **argv, Settings &settings) {
  ++argv;
  if (argv[0] != nullptr && std::strcmp(argv[0], "--fail") == 0) {
    if (argv[1] == nullptr || argv[2] == nullptr || argv[3] == nullptr) return nullptr;
    if (std::strcmp(argv[2], "--under") != 0) return nullptr;
    settings.error = std::atoi(argv[1]);
    char real[4096];
    if (::realpath(argv[3], real) == nullptr) fail(argv[3]);
    settings.under = real;
    argv += 4;
  }
  if (argv[0] == nullptr || argv[1] == nullptr || argv[2] == nullptr) return nullptr;
  char *rest = nullptr;
  settings.at = std::strtoull(argv[0], &rest, 10);
  settings.onward = *rest == '+';
  settings.report = argv[1];
  return argv + 2;
}

int run(char **argv) {
  Settings settings;
  char **program = parse(argv, settings);
  if (program == nullptr) {
    std::fputs("usage: killat [--fail ERRNO --under DIR] N REPORT PROGRAM ...\n", stderr);
    return 100;
  }
  Striker striker(settings);
  const int code = Tracer(striker, settings.error).run(program);
  std::FILE *report = std::fopen(settings.report.c_str(), "w");
  if (report == nullptr) fail(settings.report.c_str());
  std::fprintf(report, "%s\n", striker.report().c_str());
  std::fclose(report);
  return code;
}

}  // namespace
}  // namespace moat::test

int main(int /*argc*/, char **argv) { return moat::test::run(argv); }
