// A qmail installation's files as entries of the directory: the reading of their
// texts. Nothing is opened and nothing is run.

#pragma once

#include <sys/types.h>

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/userctl/transfer.h"
#include "libcommon/base/places.h"
#include "libcommon/base/result.h"

namespace moat {

// Texts by the names of their files. A file that is not there is not in it.
using QmailTexts = std::map<std::string, std::string, std::less<>>;

// Who controls an address (qmail-users(5)): of users/assign, or alias.
struct QmailUser {
  std::string name;  // the local part; of a wildcard its beginning
  uid_t uid = 0;
  gid_t gid = 0;
  std::string home;
  std::string dash;
  std::string ext;       // in a wildcard's copy for an address, with its rest
  std::size_t line = 0;  // of users/assign; 0: the alias user
  bool wildcard = false;

  // Returns HOME/.qmailDASHEXT, as qmail-local spells it.
  std::string file() const;
};

// What control/ and users/assign say. Domains and local parts are lower case.
struct QmailControl {
  std::set<std::string> locals;
  std::set<std::string> relayed;                // rcpthosts and morercpthosts
  std::map<std::string, std::string> virtuals;  // DOMAIN or USER@DOMAIN: PREPEND
  std::map<std::string, std::string> routes;    // smtproutes: HOST or HOST:PORT
  std::map<std::string, QmailUser> exact;
  std::map<std::string, QmailUser> wildcards;
  std::string host;              // what an address without a domain is given
  std::string default_delivery;  // where a user has no .qmail

  // Returns who controls a local part in lower case: the exact line, the longest
  // wildcard, else the alias user, who is wildcards[""].
  QmailUser user_of(std::string_view local) const;
};

// Reads them from texts named "control/me", "users/assign" and so on. `alias` is
// the alias user. A permanent error names file and line.
Result<QmailControl> parse_qmail(const QmailTexts &texts, QmailUser alias);

// What could not be carried over.
struct LeftOut {
  std::string file;
  std::size_t line;  // 0: all of it
  std::string reason;
};

// Makes the entries. `dots` are the .qmail files of all homes by their paths,
// which user_of() leads to. Domains and entries are valid and come once.
// Over 20 million entries are a permanent error.
Result<ImportText> import_of_qmail(const QmailControl &control, const QmailTexts &dots,
                                   const Places &places, std::vector<LeftOut> &left_out);

}  // namespace moat
