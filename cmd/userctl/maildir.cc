#include "cmd/userctl/maildir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "libcommon/base/fd.h"
#include "libcommon/base/text.h"

namespace moat {
namespace {

struct Owner {
  uid_t uid;
  gid_t gid;
};

// Opens a folder, which is made when missing and then given to its owner: by
// its descriptor, for the name may already be somebody's trick.
Result<Fd> enter(const Fd &parent, const std::string &name, mode_t mode,
                 const Owner &owner, const std::string &path) {
  constexpr int how = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  const bool made = ::mkdirat(parent.get(), name.c_str(), mode) == 0;
  if (!made && errno != EEXIST) return system_error(path);
  Fd fd(::openat(parent.get(), name.c_str(), made ? how | O_NOFOLLOW : how));
  if (!fd) return system_error(path);
  if (!made || ::geteuid() != 0) return fd;
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return system_error(path);
  if (status.st_uid != 0)
    return temporary_error(path + ": somebody changed it meanwhile");
  if (::fchown(fd.get(), owner.uid, owner.gid) != 0) return system_error(path);
  return fd;
}

// Syncs what a folder holds, also what somebody made and did not come to sync.
// A file system of which no folder can be synced (EINVAL) is left in peace.
Status sync_names(const Fd &folder, const std::string &path) {
  if (::fsync(folder.get()) != 0 && errno != EINVAL) return system_error("fsync " + path);
  return done;
}

}  // namespace

Status make_maildir(const Places &places, const DirectoryEntry &account, bool sync) {
  struct stat mail{};
  Owner mail_owner{::geteuid(), ::getegid()};
  if (::stat(places.mail.c_str(), &mail) == 0) mail_owner = {mail.st_uid, mail.st_gid};
  const Owner owner = account.owned ? Owner{account.uid, account.gid} : mail_owner;

  Fd folder(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return system_error("/");
  std::string_view rest = account.maildir;
  take_until(rest, '/');
  while (!rest.empty()) {
    const std::string name(take_until(rest, '/'));
    if (name.empty()) continue;
    const bool last = rest.empty();
    auto inner = enter(folder, name, last ? 0700 : 0755, last ? owner : mail_owner,
                       account.maildir);
    if (!inner) return inner.error();
    const auto synced = sync ? sync_names(folder, account.maildir) : Status(done);
    if (!synced) return synced;
    folder = std::move(*inner);
  }
  for (const char *name : {"tmp", "new", "cur"}) {
    const auto made = enter(folder, name, 0700, owner, account.maildir);
    if (!made) return made.error();
  }
  return sync ? sync_names(folder, account.maildir) : Status(done);
}

Status sync_maildirs(const Places &places) {
  const Fd mail(::open(places.mail.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!mail || ::syncfs(mail.get()) != 0) return system_error("sync " + places.mail);
  return done;
}

}  // namespace moat
