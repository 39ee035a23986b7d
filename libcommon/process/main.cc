// The main of every program, and of the fused one that holds them all.

#include <fcntl.h>
#include <unistd.h>

#include <new>
#include <string>

#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/base/value.h"
#include "libcommon/base/version.h"
#include "libcommon/process/invocation.h"

namespace {

using namespace moat;

[[noreturn]] void out_of_memory() {
  static constexpr std::string_view text = "moat: fatal: out of memory\n";
  [[maybe_unused]] const auto sent = ::write(STDERR_FILENO, text.data(), text.size());
  ::_exit(exit_temporary);
}

// Returns the words without the folder of the first: the program's name is what
// it was called by.
Argv words_of(int argc, char **argv) {
  Argv words(argv, argv + argc);
  if (words.empty()) words.emplace_back("moat");
  words[0] = words[0].substr(words[0].rfind('/') + 1);
  return words;
}

// A file opened where 0, 1 or 2 should be would be taken for the connection or
// the log. One that can only be written is still no message and no envelope.
void fill_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", O_WRONLY);
  }
}

int list_programs(const std::string &called) {
  std::string text = std::string("moat ") + version + "\n";
  for (const Program *program : program_table()) {
    std::string line = "  " + std::string(program->name);
    line.resize(20, ' ');
    text += line.append(program->summary) + "\n";
  }
  const bool asked = called == "--help" || called == "--version";
  const bool written = bool{write_all(asked ? STDOUT_FILENO : STDERR_FILENO, text)};
  return asked && written ? exit_ok : exit_permanent;
}

}  // namespace

int main(int argc, char **argv) {
  std::set_new_handler(out_of_memory);
  fill_standard_descriptors();

  Argv words = words_of(argc, argv);
  Environment environment = Environment::from(environ);
  const auto offset = parse_duration(environment.get_or("MOAT_CLOCK_OFFSET", "0"));
  Invocation invocation(std::move(environment),
                        Clock(offset ? offset->count() / 1000 : 0));

  // `moat tcpd ...` is moat-tcpd: for a look around without the links.
  if (find_program(words[0]) == nullptr) {
    if (words.size() < 2) return list_programs("");
    const std::string called = words[1];
    words.erase(words.begin());
    words[0] = "moat-" + called;
    if (find_program(words[0]) == nullptr) return list_programs(called);
  }
  return run_chain(invocation, std::move(words));
}
