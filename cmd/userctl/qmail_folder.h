// A qmail installation's folder: reading it, importing it, watching it.

#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/userctl/commands.h"
#include "cmd/userctl/qmail.h"
#include "libcommon/base/places.h"
#include "libcommon/base/result.h"
#include "libcommon/directory/master.h"
#include "libcommon/process/invocation.h"

namespace moat {

// Returns the folder that --from names: "qmail" is /var/qmail, "qmail:DIR" DIR,
// an absolute path. Nullopt for anything else.
std::optional<std::string> qmail_folder(std::string_view from);

// What was read, and the folders it stood in: DIR, its control, users and alias,
// and the homes, whose files other than .qmail mean nothing.
struct QmailSource {
  QmailControl control;
  QmailTexts dots;
  std::vector<LeftOut> left_out;
  std::set<std::string> admin_folders;
  std::set<std::string> homes;
};

// Fills `source.admin_folders` and `source.homes` even where it fails, with what
// it came to. control/ must be there. A control file is at most 16 MiB,
// users/assign 256 MiB, a .qmail file 64 KiB, and there are at most a million of
// them in one home. In homes other than DIR/alias no symbolic link is followed:
// they are their users'. What is unreadable is a temporary error.
Status read_qmail(const std::string &dir, QmailSource &source);

// import --from: once, or with --watch whenever a file changes until SIGTERM or
// SIGINT. What was left out is logged. While it watches, a mistake in the files
// is logged and the directory stays as it was.
Status import_folder(const Call &call, const Master &master, const Places &places,
                     Invocation &invocation);

}  // namespace moat
