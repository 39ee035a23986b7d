#include "cmd/local/maildir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "libcommon/base/fd.h"
#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/process/signals.h"

namespace moat {
namespace {

constexpr std::size_t piece_size = 65536;
constexpr std::size_t longest_field = 1100;  // an address and its name fit
constexpr std::string_view loop_field = "delivered-to:";

// What `errno` says about a mailbox. The text may travel to the sender in a
// bounce: no path of ours in it.
Outcome refusal(std::string_view what) {
  switch (errno) {
    case EDQUOT: return Outcome::defer("4.2.2", "mailbox is over quota");
    case EFBIG:
      return Outcome::defer("4.2.2", "message is over the mailbox's size limit");
    case ENOSPC: return Outcome::defer("4.3.1", "disk is full");
    case ENOENT:
    case ENOTDIR: return Outcome::defer("4.2.1", "mailbox is missing");
    default: return Outcome::defer("4.3.0", system_error(what).what);
  }
}

// An address in a header field: a line break in it would start another field.
std::string field_value(std::string_view address) {
  std::string value(address);
  const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
  std::replace_if(value.begin(), value.end(), is_control, '_');
  return value;
}

std::string head_of(const LocalMail &mail) {
  std::string head;
  if (mail.sender) head += "Return-Path: <" + field_value(*mail.sender) + ">\n";
  if (mail.recipient) head += "Delivered-To: " + field_value(*mail.recipient) + "\n";
  return head;
}

// Names that no other try and no other process uses.
std::string unique_part() {
  return std::to_string(::getpid()) + "_" + std::to_string(Clock::boot_ms());
}

ssize_t read_piece(const LocalMail &mail, off_t offset,
                   std::array<char, piece_size> &to) {
  for (;;) {
    const ssize_t count = mail.rewound
                              ? ::pread(mail.message, to.data(), to.size(), offset)
                              : ::read(mail.message, to.data(), to.size());
    if (count >= 0 || errno != EINTR) return count;
  }
}

bool write_whole(int fd, std::string_view octets) {
  while (!octets.empty()) {
    const ssize_t count = ::write(fd, octets.data(), octets.size());
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) octets.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// Returns nothing when the file holds the whole message and is synced.
std::optional<Outcome> fill(int file, const LocalMail &mail) {
  if (!write_whole(file, head_of(mail))) return refusal("write");
  LoopCheck loop(field_value(mail.recipient.value_or("")));
  std::array<char, piece_size> piece;
  for (off_t offset = 0;;) {
    const ssize_t count = read_piece(mail, offset, piece);
    if (count < 0) return Outcome::defer("4.3.0", "message cannot be read");
    if (count == 0) break;
    offset += count;
    const std::string_view octets(piece.data(), static_cast<std::size_t>(count));
    if (mail.recipient) loop.feed(octets);
    if (!write_whole(file, octets)) return refusal("write");
  }
  if (loop.found()) {
    return Outcome::fail("5.4.6", "mail loop: was delivered to this mailbox before");
  }
  if (::fsync(file) != 0) return refusal("fsync");
  return std::nullopt;
}

// A file in tmp/, gone at the end of its scope: linked to new/ or in vain.
class Temporary {
 public:
  Temporary(int folder, std::string name) : folder_(folder), name_(std::move(name)) {
    file_.reset(::openat(folder_, name_.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  }
  Temporary(const Temporary &) = delete;
  Temporary &operator=(const Temporary &) = delete;
  ~Temporary() { remove(); }

  int file() const { return file_.get(); }
  const std::string &name() const { return name_; }
  void remove() {
    if (!file_) return;
    ::unlinkat(folder_, name_.c_str(), 0);
    file_.reset();
  }

 private:
  int folder_;
  std::string name_;
  Fd file_;
};

bool same_size(int file, int folder, const std::string &name) {
  struct stat ours{};
  struct stat there{};
  return ::fstat(file, &ours) == 0 &&
         ::fstatat(folder, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(there.st_mode) && ours.st_size == there.st_size;
}

// Gives the temporary its name in new/. EEXIST is a try before this one, unless
// what is there is something else.
bool publish(const Temporary &temporary, int tmp, int fresh, const std::string &name) {
  const auto link_as = [&](const std::string &as) {
    return ::linkat(tmp, temporary.name().c_str(), fresh, as.c_str(), 0) == 0;
  };
  if (link_as(name)) return true;
  if (errno != EEXIST) return false;
  return same_size(temporary.file(), fresh, name) || link_as(temporary.name());
}

}  // namespace

Outcome deliver_to_maildir(const std::string &folder, const LocalMail &mail,
                           std::string_view host) {
  const IgnoredSignal over_limit(SIGXFSZ);
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  const Fd maildir(::open(folder.c_str(), flags));
  if (!maildir) return refusal("maildir");
  const Fd tmp(::openat(maildir.get(), "tmp", flags | O_NOFOLLOW));
  const Fd fresh(::openat(maildir.get(), "new", flags | O_NOFOLLOW));
  if (!tmp || !fresh) return refusal("maildir");

  const std::string unique = unique_part();
  const std::string time = std::to_string(mail.time);
  const std::string middle = mail.name.empty() ? "P" + unique : "Q" + mail.name;
  const std::string name = time + "." + middle + "." + std::string(host);
  Temporary temporary(tmp.get(),
                      time + "." + middle + "T" + unique + "." + std::string(host));
  if (temporary.file() < 0) return refusal("tmp");
  if (auto outcome = fill(temporary.file(), mail)) return *outcome;
  if (!publish(temporary, tmp.get(), fresh.get(), name)) return refusal("link");
  temporary.remove();
  if (::fsync(fresh.get()) != 0) return refusal("fsync");
  return Outcome::ok("delivered");
}

bool is_maildir(const std::string &folder) {
  struct stat there{};
  return ::stat((folder + "/cur").c_str(), &there) == 0 || errno != ENOENT;
}

// cur/ comes last, when the rest is synced: where it is, nothing needs to be made
// or synced again; where a crash came before, all of it is.
Status make_maildir(const std::string &folder) {
  const auto parent = [](const std::string &path) {
    const auto slash = path.find_last_of('/');
    if (slash == std::string::npos) return std::string(".");
    return slash == 0 ? std::string("/") : path.substr(0, slash);
  };
  const std::string above = parent(folder);
  for (const std::string &path : {above, folder, folder + "/tmp", folder + "/new"}) {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return system_error("cannot make a Maildir");
    }
  }
  for (const std::string &path : {folder, above, parent(above)}) {
    auto synced = sync_folder(path);
    if (!synced) return synced;
  }
  if (::mkdir((folder + "/cur").c_str(), 0700) != 0 && errno != EEXIST) {
    return system_error("cannot make a Maildir");
  }
  return done;
}

void LoopCheck::feed(std::string_view piece) {
  while (header_ && !piece.empty()) {
    const auto newline = piece.find('\n');
    const auto room = longest_field - std::min(longest_field, line_.size());
    line_ += piece.substr(0, std::min(newline, room));
    if (newline == std::string_view::npos) return;
    end_line();
    piece.remove_prefix(newline + 1);
  }
}

void LoopCheck::end_line() {
  const std::string_view line = trim(line_);
  if (line.empty()) header_ = false;
  if (starts_with_nocase(line, loop_field) &&
      equal_nocase(trim(line.substr(loop_field.size())), address_)) {
    found_ = true;
  }
  line_.clear();
}

}  // namespace moat
