#include "cmd/userctl/password.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include "libcommon/base/fd.h"
#include "libcommon/base/io.h"
#include "libcommon/crypto/crypto.h"
#include "libcommon/state/record.h"
#include "libcommon/state/store.h"

namespace moat {
namespace {

constexpr std::uint8_t format = 1;
constexpr Milliseconds patience{10'000};

std::string secret_key(std::string_view address) {
  const auto hash = keyed_hash("", address);
  return "p" + std::string(reinterpret_cast<const char *>(hash.data()), hash.size());
}

// A terminal that shows nothing of what is typed, until it goes.
class Silence {
 public:
  explicit Silence(int terminal) : terminal_(terminal) {
    quiet_ = ::tcgetattr(terminal_, &before_) == 0;
    if (!quiet_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(terminal_, TCSAFLUSH, &silent);
  }
  Silence(const Silence &) = delete;
  Silence &operator=(const Silence &) = delete;
  ~Silence() {
    if (quiet_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }

 private:
  int terminal_;
  bool quiet_;
  termios before_{};
};

Result<std::string> read_line(int fd) {
  LineReader lines(fd, max_password);
  auto line = lines.next(Deadline::never());
  if (!line) return permanent_error("the password is too long");
  if (line->text.ends_with('\r')) line->text.pop_back();
  return std::move(line->text);
}

Result<std::string> ask(int terminal, const std::string &question) {
  const auto asked = write_all(terminal, question);
  if (!asked) return asked.error();
  const Silence silence(terminal);
  auto answer = read_line(terminal);
  const auto ended = write_all(terminal, "\n");
  if (!ended) return ended.error();
  return answer;
}

Result<std::string> ask_twice(const std::string &address) {
  const Fd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal) {
    return permanent_error("no terminal to ask at: use --password-stdin");
  }
  auto first = ask(terminal.get(), "Password for " + address + ": ");
  if (!first) return first;
  auto second = ask(terminal.get(), "Again: ");
  if (!second) return second;
  const bool same = *first == *second;
  wipe(*second);
  if (same) return first;
  wipe(*first);
  return permanent_error("the two passwords differ");
}

Result<Store *> open_secrets(Invocation &invocation, const Places &places) {
  return Store::open(invocation, places.dir + "/secrets/secrets.mdb", master_store);
}

}  // namespace

Result<std::string> hashed_password(const DirectoryEntry &account, bool from_stdin) {
  if (account.kind != EntryKind::account) {
    return permanent_error("only a user has a password");
  }
  auto password = from_stdin ? read_line(STDIN_FILENO) : ask_twice(account.address);
  if (!password) return password;
  auto hash = hash_password(*password);
  wipe(*password);
  return hash;
}

Status set_password(Invocation &invocation, const Places &places,
                    const std::string &address, const std::string &hash) {
  const auto secrets = open_secrets(invocation, places);
  if (!secrets) return secrets.error();
  const std::string key = secret_key(address);
  RecordWriter record;
  record.text(address);
  record.text(hash);
  return (*secrets)->update(Deadline::after(patience), [&](Writer &writer) {
    return writer.put(key, record.seal(key, format));
  });
}

Status remove_password(Invocation &invocation, const Places &places,
                       const std::string &address) {
  const auto secrets = open_secrets(invocation, places);
  if (!secrets) return secrets.error();
  return (*secrets)->update(Deadline::after(patience), [&](Writer &writer) -> Status {
    const auto removed = writer.remove(secret_key(address));
    if (!removed) return removed.error();
    return done;
  });
}

}  // namespace moat
