// Users, read from /etc/passwd and /etc/group without NSS, and becoming one.

#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/result.h"

namespace moat {

struct User {
  std::string name;  // empty when only a number was given
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary, from /etc/group
};

// Finds "NAME", "UID", "NAME:GROUP" or "UID:GID". A number without a group must
// stand in /etc/passwd. An unknown name is a permanent error; unreadable files
// are a temporary one.
Result<User> find_user(std::string_view spec);

// Finds a group's number by name or number.
Result<gid_t> find_group(std::string_view spec);

// Becomes the user for good: groups, gid, uid, in this order, checked by trying
// to go back. Does nothing when the process is that user already and not root.
Status become_user(const User &user);

}  // namespace moat
