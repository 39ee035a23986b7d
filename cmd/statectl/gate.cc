#include "cmd/statectl/gate.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "libcommon/base/fd.h"
#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/directory/master.h"
#include "libcommon/process/user.h"
#include "libcommon/queue/store.h"
#include "libcommon/state/store.h"

namespace moat {
namespace {

constexpr std::array<std::string_view, 8> user_roles{
    "root", "moat", "moatscan", "moatq", "moatremote", "moatrelay", "moatpw", "moatmail"};
constexpr std::array<std::string_view, 2> group_roles{"moatstate", "moatrun"};

struct Folder {
  std::string path;
  std::string_view owner;
  std::string_view group;
  mode_t mode;
};

// A door's socket has the group of its server, whose members are its callers;
// the servers are the members of moatrun, and none can take another's name.
std::vector<Folder> gate_folders(const Places &places) {
  return {{places.dir, "root", "root", 0755},
          {places.dir + "/control", "root", "root", 0755},
          {places.dir + "/relay", "moatrelay", "moatrelay", 0755},
          {places.dir + "/secrets", "moatpw", "moatpw", 0700},
          {places.dir + "/state", "moat", "moatstate", 02770},
          {places.etc, "root", "root", 0755},
          {places.etc + "/env", "root", "root", 0755},
          {places.run, "root", "moatrun", 01775},
          {places.mail, "moatmail", "moatmail", 0755}};
}

Status make_parents(const std::string &path) {
  for (auto slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string parent = path.substr(0, slash);
    if (::mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST) {
      return system_error(parent);
    }
  }
  return done;
}

// A folder that is there keeps its mode in a gate of one user's own: it may be
// his home.
Status make_folder(const Folder &folder, const Owners &owners) {
  auto parents = make_parents(folder.path);
  if (!parents) return parents;
  const bool fresh = ::mkdir(folder.path.c_str(), 0700) == 0;
  if (!fresh && errno != EEXIST) return system_error(folder.path);
  if (!fresh && !owners.by_role()) return done;
  const Fd fd(::open(folder.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return system_error(folder.path);
  if (owners.by_role() &&
      ::fchown(fd.get(), owners.uid(folder.owner), owners.gid(folder.group)) != 0) {
    return system_error("chown " + folder.path);
  }
  if (::fchmod(fd.get(), folder.mode) != 0) return system_error("chmod " + folder.path);
  return done;
}

// Syncs the folders that hold these, and those that hold them: else a power loss
// could take a queue away whose messages are all synced. What we may not write to
// we made nothing in.
Status sync_names(const std::vector<std::string> &paths) {
  std::set<std::string> holders;
  for (const std::string &path : paths) {
    for (auto slash = path.rfind('/'); slash != std::string::npos && slash > 0;
         slash = path.rfind('/', slash - 1)) {
      holders.insert(path.substr(0, slash));
    }
    holders.insert("/");
  }
  for (const std::string &holder : holders) {
    if (::access(holder.c_str(), W_OK) != 0) continue;
    auto synced = sync_folder(holder);
    if (!synced) return synced;
  }
  return done;
}

Status publish(Invocation &invocation, const Places &places, Master::Which which,
               const Owners &owners, std::string_view owner) {
  const auto master = Master::open(invocation, places, which);
  if (!master) return master.error();
  const auto published = master->is_published();
  if (published && *published) return done;
  auto written = master->publish();
  if (!written || !owners.by_role()) return written;
  const std::string path = public_path(places, which);
  if (::chown(path.c_str(), owners.uid(owner), owners.gid(owner)) != 0) {
    return system_error("chown " + path);
  }
  return done;
}

}  // namespace

Result<Owners> Owners::of_roles(const std::vector<std::string> &renamed) {
  std::map<std::string, std::string, std::less<>> names;
  for (const std::string_view role : user_roles) names.emplace(role, role);
  for (const std::string_view role : group_roles) names.emplace(role, role);
  for (const std::string &word : renamed) {
    std::string_view rest = word;
    const auto found = names.find(take_until(rest, '='));
    if (found == names.end() || rest.empty() || found->first == "root") {
      return permanent_error("--name takes ROLE=NAME, not \"" + word + "\"");
    }
    found->second = rest;
  }
  Owners owners;
  for (const auto &[role, name] : names) {
    if (std::find(group_roles.begin(), group_roles.end(), role) != group_roles.end()) {
      const auto gid = find_group(name);
      if (!gid) return gid.error();
      owners.ids_[role] = {keep_owner, *gid};
    } else {
      const auto user = find_user(name);
      if (!user) return user.error();
      owners.ids_[role] = {user->uid, user->gid};
    }
  }
  return owners;
}

uid_t Owners::uid(std::string_view role) const {
  const auto found = ids_.find(role);
  return found == ids_.end() ? keep_owner : found->second.uid;
}

gid_t Owners::gid(std::string_view role) const {
  const auto found = ids_.find(role);
  return found == ids_.end() ? static_cast<gid_t>(-1) : found->second.gid;
}

std::vector<GateFile> gate_files(const Places &places) {
  return {
      {master_path(places, Master::Which::control), "root", "root", 0600, true},
      {master_path(places, Master::Which::relay), "moatrelay", "moatrelay", 0600, true},
      {places.dir + "/secrets/secrets.mdb", "moatpw", "moatpw", 0600, true},
      {places.dir + "/state/state.mdb", "moat", "moatstate", 0660, false},
      {places.dir + "/state/tokens.mdb", "moat", "moatstate", 0660, false}};
}

Status make_gate(Invocation &invocation, const Places &places, const Owners &owners) {
  for (const Folder &folder : gate_folders(places)) {
    auto made = make_folder(folder, owners);
    if (!made) return made;
  }
  for (const GateFile &file : gate_files(places)) {
    auto made = Store::create(file.path, file.mode, owners.uid(file.owner),
                              owners.gid(file.group));
    if (!made) return made;
  }
  auto parents = make_parents(places.spool);
  if (!parents) return parents;
  QueueSettings queue;
  queue.folder = places.spool;
  auto made = QueueStore::create(queue, owners.uid("moatq"), owners.gid("moatq"));
  if (!made) return made;
  auto control = publish(invocation, places, Master::Which::control, owners, "root");
  if (!control) return control;
  auto relay = publish(invocation, places, Master::Which::relay, owners, "moatrelay");
  if (!relay) return relay;
  std::vector<std::string> paths{places.spool};
  for (const Folder &folder : gate_folders(places)) paths.push_back(folder.path);
  return sync_names(paths);
}

}  // namespace moat
