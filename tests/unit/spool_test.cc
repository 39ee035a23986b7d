#include "libcommon/message/spool.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "libcommon/base/environment.h"
#include "tests/unit/check.h"

using namespace moat;

namespace {

std::string contents(const SpooledMessage &message) {
  std::string text(message.size(), '\0');
  const auto count = ::pread(message.fd(), text.data(), text.size(), 0);
  return count == static_cast<ssize_t>(text.size()) ? text : "short";
}

void stays_in_memory() {
  SpooledMessage message("/nonexistent", 8);
  CHECK(message.append("1234") && message.append("5678"));
  CHECK(!message.in_file() && message.text() == "12345678" && message.size() == 8);
}

void moves_to_a_file(const std::string &folder) {
  SpooledMessage message(folder, 8);
  CHECK(message.append("12345678") && message.append("9") && message.append("abc"));
  CHECK(message.in_file() && message.text().empty() && message.size() == 12);
  CHECK(contents(message) == "123456789abc");
  struct stat status{};
  CHECK(::fstat(message.fd(), &status) == 0 && status.st_nlink == 0);
  CHECK((status.st_mode & 0777U) == 0600);
}

void says_when_there_is_no_room() {
  SpooledMessage message("/nonexistent", 8);
  const auto status = message.append("123456789");
  CHECK(!status && status.error().temporary);
}

}  // namespace

int main(int /*argc*/, char ** /*argv*/, char **envp) {
  const auto environment = Environment::from(envp);
  stays_in_memory();
  moves_to_a_file(std::string(environment.get_or("TMPDIR", "/tmp")));
  says_when_there_is_no_room();
  return test::done();
}
