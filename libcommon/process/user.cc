#include "libcommon/process/user.h"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "libcommon/base/io.h"
#include "libcommon/base/text.h"

namespace moat {
namespace {

constexpr std::size_t max_file = std::size_t{16} << 20U;

std::optional<std::uint32_t> parse_id(std::string_view text) {
  const auto number = parse_number(text, 0, UINT32_MAX - 1);
  if (!number) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

// Cuts "a:b:c" into its fields.
std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  while (!line.empty()) fields.push_back(take_until(line, ':'));
  return fields;
}

Result<std::optional<User>> find_in_passwd(std::string_view wanted) {
  const auto file = read_file("/etc/passwd", max_file);
  if (!file) return file.error();
  for (std::string_view rest = *file; !rest.empty();) {
    const auto fields = fields_of(take_line(rest));
    if (fields.size() < 4 || (fields[0] != wanted && fields[2] != wanted)) continue;
    const auto uid = parse_id(fields[2]);
    const auto gid = parse_id(fields[3]);
    if (uid && gid) return std::optional(User{std::string(fields[0]), *uid, *gid, {}});
  }
  return std::optional<User>();
}

Status add_groups(User &user) {
  const auto file = read_file("/etc/group", max_file);
  if (!file) return file.error();
  for (std::string_view rest = *file; !rest.empty();) {
    const auto fields = fields_of(take_line(rest));
    if (fields.size() < 4 || user.name.empty()) continue;
    const auto gid = parse_id(fields[2]);
    for (std::string_view members = fields[3]; gid && !members.empty();) {
      if (take_until(members, ',') == user.name) user.groups.push_back(*gid);
    }
  }
  return done;
}

}  // namespace

Result<gid_t> find_group(std::string_view spec) {
  if (const auto number = parse_id(spec)) return *number;
  const auto file = read_file("/etc/group", max_file);
  if (!file) return file.error();
  for (std::string_view rest = *file; !rest.empty();) {
    const auto fields = fields_of(take_line(rest));
    if (fields.size() < 3 || fields[0] != spec) continue;
    if (const auto gid = parse_id(fields[2])) return *gid;
  }
  return permanent_error("no such group: " + std::string(spec));
}

Result<User> find_user(std::string_view spec) {
  std::string_view rest = spec;
  const std::string_view name = take_until(rest, ':');
  const auto found = find_in_passwd(name);
  if (!found) return found.error();
  const auto number = parse_id(name);

  User user;
  if (*found) {
    user = **found;
  } else if (number && !rest.empty()) {
    user.uid = *number;
  } else {
    return permanent_error("no such user: " + std::string(name));
  }
  if (!rest.empty()) {
    const auto gid = find_group(rest);
    if (!gid) return gid.error();
    user.gid = *gid;
  }
  const auto added = add_groups(user);
  if (!added) return added.error();
  return user;
}

Status become_user(const User &user) {
  if (::geteuid() != 0) {
    if (::geteuid() == user.uid) return done;
    return permanent_error("only root can become user " + user.name);
  }
  std::vector<gid_t> groups = user.groups;
  groups.push_back(user.gid);
  if (::setgroups(groups.size(), groups.data()) != 0) return system_error("setgroups");
  if (::setresgid(user.gid, user.gid, user.gid) != 0) return system_error("setresgid");
  if (::setresuid(user.uid, user.uid, user.uid) != 0) return system_error("setresuid");
  if (user.uid != 0 && ::setuid(0) == 0) return permanent_error("root did not go away");
  return done;
}

}  // namespace moat
