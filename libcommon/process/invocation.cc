#include "libcommon/process/invocation.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "libcommon/base/io.h"
#include "libcommon/base/text.h"

namespace moat {
namespace {

constexpr std::string_view default_path = "/usr/local/bin:/usr/bin:/bin";

// Returns the entries of the environment that a program's options come from:
// MOAT_GREET_... and, for what all share, the names that others fixed.
std::vector<std::string> option_variables(std::string_view program,
                                          const Environment &environment) {
  std::string prefix(program);
  for (char &c : prefix) {
    if (c == '-') c = '_';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  std::vector<std::string> entries;
  const auto keep = [&](std::string_view name, std::string_view value) {
    entries.push_back(std::string(name).append("=").append(value));
  };
  environment.each(prefix + "_", keep);
  for (const char *name :
       {"MOAT_DIR", "MOAT_ETC", "MOAT_MAIL", "MOAT_ME", "MOAT_RESOLVER", "MOAT_RUN",
        "MOAT_SPOOL", "MOAT_STATE_MAX", "QMAILQUEUE"}) {
    if (const auto value = environment.get(name)) keep(name, *value);
  }
  return entries;
}

// Where the log would go to the client (inetd, Postfix's spawn), syslog has it.
bool log_is_connection() {
  struct stat log{};
  struct stat other{};
  if (::fstat(STDERR_FILENO, &log) != 0 || !S_ISSOCK(log.st_mode)) return false;
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO}) {
    if (::fstat(fd, &other) == 0 && other.st_dev == log.st_dev &&
        other.st_ino == log.st_ino) {
      return true;
    }
  }
  return false;
}

int end(const Stop &stop, const Log &log) {
  if (stop.code != exit_ok) {
    log.fatal(stop.text);
    return stop.code;
  }
  return write_all(STDOUT_FILENO, stop.text) ? exit_ok : exit_temporary;
}

std::vector<char *> pointers(std::vector<std::string> &strings) {
  std::vector<char *> result;
  result.reserve(strings.size() + 1);
  for (std::string &string : strings) result.push_back(string.data());
  result.push_back(nullptr);
  return result;
}

Next run_task(const Task &task, std::string_view name, Invocation &invocation) {
  invocation.log.set_name(name);
  invocation.log.set_verbose(task.common().verbose);
  const bool to_client =
      task.common().log == Log::Sink::standard_error && log_is_connection();
  invocation.log.set_sink(to_client ? Log::Sink::syslog : task.common().log);
  ::prctl(PR_SET_NAME, std::string(name).c_str());
  return task.run(invocation);
}

}  // namespace

const Program *find_program(std::string_view word) {
  const auto table = program_table();
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const Program *row) { return row->name == word; });
  return found == table.end() ? nullptr : *found;
}

Prepared<PreparedChain> PreparedChain::make(const Argv &argv,
                                            const Environment &environment) {
  PreparedChain chain;
  Argv words = argv;
  while (!words.empty()) {
    const Program *program = find_program(words[0]);
    if (program == nullptr) break;
    auto prepared = program->prepare(words, environment);
    if (auto *stop = std::get_if<Stop>(&prepared)) {
      return Stop{stop->code, std::string(program->name) + ": " + stop->text};
    }
    auto task = std::move(std::get<std::unique_ptr<Task>>(prepared));
    Argv next = task->next();
    chain.links_.push_back({std::move(words),
                            option_variables(program->name, environment),
                            std::move(task)});
    words = std::move(next);
  }
  chain.whole_ = words.empty();
  chain.rest_ = std::move(words);
  return chain;
}

const Task *PreparedChain::find(const Argv &argv, const Environment &environment) const {
  for (const Link &link : links_) {
    if (link.argv == argv) {
      return option_variables(argv[0], environment) == link.variables ? link.task.get()
                                                                      : nullptr;
    }
  }
  return nullptr;
}

std::optional<Stop> PreparedChain::renew(const Environment &environment) {
  for (Link &link : links_) {
    auto variables = option_variables(link.argv[0], environment);
    if (variables == link.variables) continue;
    auto prepared = find_program(link.argv[0])->prepare(link.argv, environment);
    if (auto *stop = std::get_if<Stop>(&prepared)) {
      return Stop{stop->code, link.argv[0] + ": " + stop->text};
    }
    link.task = std::move(std::get<std::unique_ptr<Task>>(prepared));
    link.variables = std::move(variables);
  }
  return std::nullopt;
}

void PreparedChain::warm(Invocation &invocation) const {
  for (const Link &link : links_) link.task->warm(invocation);
}

std::optional<Confinement> PreparedChain::confinement() const {
  if (!whole_) return std::nullopt;
  Confinement all;
  for (const Link &link : links_) {
    const auto own = link.task->confinement();
    if (!own) return std::nullopt;
    all.read.insert(all.read.end(), own->read.begin(), own->read.end());
    all.write.insert(all.write.end(), own->write.begin(), own->write.end());
  }
  return all;
}

Status find_executable(const std::string &word, const Environment &environment) {
  errno = ENOENT;
  const bool is_path = word.find('/') != std::string::npos;
  std::string_view folders =
      is_path ? std::string_view("-") : environment.get_or("PATH", default_path);
  while (!folders.empty()) {
    std::string path(take_until(folders, ':'));
    path = is_path ? word : (path.empty() ? "." : path) + "/" + word;
    if (::access(path.c_str(), X_OK) == 0) return done;
  }
  return system_error("cannot run " + word);
}

Error exec_program(const Argv &argv, const Environment &environment) {
  std::vector<std::string> words = argv;
  std::vector<std::string> entries = environment.strings();
  const std::vector<char *> argv_pointers = pointers(words);
  const std::vector<char *> env_pointers = pointers(entries);

  if (argv[0].find('/') != std::string::npos) {
    ::execve(argv[0].c_str(), argv_pointers.data(), env_pointers.data());
    return system_error("cannot run " + argv[0]);
  }
  int reason = ENOENT;
  std::string_view folders = environment.get_or("PATH", default_path);
  while (!folders.empty()) {
    std::string path(take_until(folders, ':'));
    path += path.empty() ? "./" : "/";
    path += argv[0];
    ::execve(path.c_str(), argv_pointers.data(), env_pointers.data());
    if (errno != ENOENT && errno != ENOTDIR) reason = errno;
  }
  errno = reason;
  return system_error("cannot run " + argv[0]);
}

int run_chain(Invocation &invocation, Argv argv) {
  for (;;) {
    const Program *program = find_program(argv[0]);
    if (program == nullptr) break;
    const Task *ready =
        invocation.chain ? invocation.chain->find(argv, invocation.env) : nullptr;
    std::unique_ptr<Task> own;
    if (ready == nullptr) {
      auto prepared = program->prepare(argv, invocation.env);
      if (const auto *stop = std::get_if<Stop>(&prepared)) {
        invocation.log.set_name(program->name);
        return end(*stop, invocation.log);
      }
      own = std::move(std::get<std::unique_ptr<Task>>(prepared));
      ready = own.get();
    }
    const Next next = run_task(*ready, program->name, invocation);
    if (next.is_exit()) return next.code();
    argv = next.argv();
  }
  invocation.open_state.clear();
  invocation.log.fatal(exec_program(argv, invocation.env).what);
  return exit_temporary;
}

}  // namespace moat
