// Making the Maildirs of accounts.

#pragma once

#include <string>

#include "libcommon/base/places.h"
#include "libcommon/base/result.h"
#include "libcommon/directory/records.h"

namespace moat {

// Makes a Maildir (cur, new, tmp; mode 0700) and the folders above it where they
// are missing. As root it gives what it makes to uid:gid, or, where the account
// has no owner, to the owner of MOAT_MAIL. A folder that is there stays as it
// is. A symbolic link in the place of what it makes is refused. With `sync` a
// power loss does not take it away afterwards, and with it mail that was synced.
Status make_maildir(const Places &places, const DirectoryEntry &account,
                    bool sync = true);

// Does that for all that were made below MOAT_MAIL, at once.
Status sync_maildirs(const Places &places);

}  // namespace moat
