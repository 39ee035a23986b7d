#include "cmd/userctl/qmail_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <memory>

#include "cmd/userctl/folder_watch.h"
#include "cmd/userctl/transfer.h"
#include "libcommon/base/fd.h"
#include "libcommon/base/io.h"

namespace moat {
namespace {

constexpr std::size_t max_control = std::size_t{16} << 20U;
constexpr std::size_t max_assign = std::size_t{256} << 20U;
constexpr std::size_t max_dot = std::size_t{64} << 10U;
constexpr std::size_t max_dots = 1'000'000;  // in one home

constexpr std::array<std::string_view, 9> control_files{
    "control/me",         "control/envnoathost",     "control/locals",
    "control/rcpthosts",  "control/morercpthosts",   "control/virtualdomains",
    "control/smtproutes", "control/defaultdelivery", "users/assign"};

// Reads a .qmail file where it is one; nothing is there without an error too.
Status read_dot(const std::string &path, bool follow, QmailSource &source) {
  // O_NONBLOCK: a user may have put a pipe there.
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follow ? 0 : O_NOFOLLOW);
  const Fd file(::open(path.c_str(), flags));
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return done;
  if (!file && errno != ELOOP) return system_error(path);
  struct stat status{};
  const bool plain = file && ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode);
  if (plain && status.st_size <= static_cast<off_t>(max_dot)) {
    auto text = read_all(file.get(), max_dot);
    if (!text) return Error{true, path + ": " + text.error().what};
    source.dots.insert_or_assign(path, std::move(*text));
    return done;
  }
  // A comment alone: whose it is has no other delivery instead.
  source.dots.insert_or_assign(path, "#\n");
  source.left_out.push_back({path, 0, "is no plain file of at most 64 KiB"});
  return done;
}

// Reads all whose names begin as the wildcard's do.
Status read_home(const QmailUser &user, bool follow, QmailSource &source) {
  const std::unique_ptr<DIR, int (*)(DIR *)> folder(::opendir(user.home.c_str()),
                                                    &::closedir);
  if (!folder) {
    if (errno != ENOENT && errno != ENOTDIR) return system_error(user.home);
    source.left_out.push_back({user.home, 0, "there is no such folder"});
    return done;
  }
  const std::string prefix = user.file().substr(user.home.size() + 1);
  std::size_t count = 0;
  for (;;) {
    errno = 0;
    const dirent *const entry = ::readdir(folder.get());  // NOLINT(concurrency-mt-unsafe)
    if (entry == nullptr && errno != 0) return system_error(user.home);
    if (entry == nullptr) return done;
    const std::string_view name = static_cast<const char *>(entry->d_name);
    if (!name.starts_with(prefix)) continue;
    if (++count > max_dots) return permanent_error(user.home + ": too many .qmail files");
    auto read = read_dot(user.home + "/" + std::string(name), follow, source);
    if (!read) return read;
  }
}

Status read_texts(const std::string &dir, QmailTexts &texts) {
  struct stat status{};
  const std::string control = dir + "/control";
  if (::stat(control.c_str(), &status) != 0) return system_error(control);
  for (const std::string_view name : control_files) {
    const auto size = name == "users/assign" ? max_assign : max_control;
    auto text = read_file(dir + "/" + std::string(name), size);
    if (!text && text.error().cause == Cause::missing) continue;
    if (!text) return text.error();
    texts.emplace(name, std::move(*text));
  }
  return done;
}

QmailUser alias_user(const std::string &dir) {
  QmailUser alias;
  alias.home = dir + "/alias";
  alias.dash = "-";
  struct stat status{};
  if (::stat(alias.home.c_str(), &status) == 0) {
    alias.uid = status.st_uid;
    alias.gid = status.st_gid;
  }
  return alias;
}

void log_left_out(const std::vector<LeftOut> &left_out, const Invocation &invocation) {
  for (const LeftOut &left : left_out) {
    if (left.line > 0) {
      invocation.log.event(
          "left-out",
          {{"file", left.file}, {"line", left.line}, {"reason", left.reason}});
    } else {
      invocation.log.event("left-out", {{"file", left.file}, {"reason", left.reason}});
    }
  }
}

// Reads, checks and makes what an import takes.
Result<ImportText> load(const std::string &dir, const Places &places,
                        QmailSource &source) {
  const auto read = read_qmail(dir, source);
  if (!read) return read.error();
  auto text = import_of_qmail(source.control, source.dots, places, source.left_out);
  if (!text) return text.error();
  const auto whole = check_whole(*text);
  if (!whole) return whole.error();
  return text;
}

Status watch(const Call &call, const std::string &dir, const Master &master,
             const Places &places, Invocation &invocation) {
  auto watch = FolderWatch::make();
  if (!watch) return watch.error();
  bool first = true;
  for (;;) {
    QmailSource source;
    const auto text = load(dir, places, source);
    // What changed before it was watched is read again.
    auto added = watch->add(source.admin_folders, source.homes);
    if (!added) return added.error();
    if (*added) continue;
    log_left_out(source.left_out, invocation);
    auto put =
        text ? put_import(call, *text, master, places, invocation) : Status(text.error());
    if (!put && first) return put;
    if (!put)
      invocation.log.event("failed", {{"file", dir}, {"reason", put.error().what}});
    first = false;
    const auto changed = watch->wait();
    if (!changed) return changed.error();
    if (!*changed) return done;
  }
}

}  // namespace

std::optional<std::string> qmail_folder(std::string_view from) {
  if (from == "qmail") return "/var/qmail";
  if (!from.starts_with("qmail:/")) return std::nullopt;
  std::string dir(from.substr(6));
  while (dir.size() > 1 && dir.ends_with('/')) dir.pop_back();
  return dir;
}

Status read_qmail(const std::string &dir, QmailSource &source) {
  const QmailUser alias = alias_user(dir);
  source.admin_folders = {dir, dir + "/control", dir + "/users"};
  source.homes = {alias.home};
  QmailTexts texts;
  const auto read = read_texts(dir, texts);
  if (!read) return read;
  auto control = parse_qmail(texts, alias);
  if (!control) return Error{control.error().temporary, dir + "/" + control.error().what};
  source.control = std::move(*control);
  for (const auto *users : {&source.control.exact, &source.control.wildcards}) {
    for (const auto &[name, user] : *users) {
      const bool follow = user.home == alias.home;
      source.homes.insert(user.home);
      auto known = user.wildcard ? read_home(user, follow, source)
                                 : read_dot(user.file(), follow, source);
      if (!known) return known;
    }
  }
  return done;
}

Status import_folder(const Call &call, const Master &master, const Places &places,
                     Invocation &invocation) {
  const std::string dir = qmail_folder(call.from).value_or("/var/qmail");
  if (call.watch) return watch(call, dir, master, places, invocation);
  QmailSource source;
  const auto text = load(dir, places, source);
  if (!text) return text.error();
  log_left_out(source.left_out, invocation);
  if (!call.dry_run) return put_import(call, *text, master, places, invocation);
  auto printed = print_import(*text, places);
  if (!printed) return printed;
  invocation.log.event(
      "checked", {{"domains", text->domains.size()}, {"entries", text->entries.size()}});
  return done;
}

}  // namespace moat
