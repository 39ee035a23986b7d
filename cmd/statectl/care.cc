#include "cmd/statectl/care.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "libcommon/base/io.h"
#include "libcommon/base/log.h"
#include "libcommon/directory/master.h"
#include "libcommon/state/learned.h"
#include "libcommon/state/store.h"

namespace moat {
namespace {

constexpr Milliseconds patience{30'000};

std::string name_of(const std::string &path) { return path.substr(path.rfind('/') + 1); }

// Which of the masters a file is, if it is one.
std::optional<Master::Which> which_master(const Places &places, const std::string &path) {
  for (const auto which : {Master::Which::control, Master::Which::relay}) {
    if (path == master_path(places, which)) return which;
  }
  return std::nullopt;
}

std::vector<GateFile> all_files(const Places &places) {
  auto files = gate_files(places);
  files.push_back({places.spool + "/queue.mdb", "moatq", "moatq", 0600, true});
  return files;
}

std::string line_of(std::initializer_list<Field> fields) {
  std::string line;
  for (const Field &field : fields) {
    if (!line.empty()) line += ' ';
    line += field_text(field);
  }
  return line + "\n";
}

std::string info_line(Invocation &invocation, const GateFile &file) {
  const auto store = open_gate_file(invocation, file);
  if (!store) return line_of({{"file", file.path}, {"error", store.error().what}});
  const auto info = (*store)->info();
  if (!info) return line_of({{"file", file.path}, {"error", info.error().what}});
  std::string line = line_of({{"file", file.path},
                              {"entries", info->entries},
                              {"size", info->size},
                              {"used", info->used},
                              {"readers", info->readers}});
  struct stat snapshot{};
  if (::stat(snapshot_of(file.path).c_str(), &snapshot) == 0) {
    line.back() = ' ';
    line +=
        line_of({{"snapshot_age", invocation.clock.wall_seconds() - snapshot.st_mtime}});
  }
  return line;
}

// Reads every page, and of a master also every record, by way of what is
// published of it.
Status check_file(Invocation &invocation, const Places &places, const GateFile &file) {
  const auto store = open_gate_file(invocation, file);
  if (!store) return store.error();
  auto whole = (*store)->check();
  if (!whole) return whole;
  const auto which = which_master(places, file.path);
  if (!which) return done;
  const auto master = Master::open(invocation, places, *which);
  if (!master) return master.error();
  auto decoded = check_records(**store);
  if (!decoded) return decoded;
  const auto published = master->is_published();
  if (!published) return published.error();
  if (*published) return done;
  return Error{true,
               master->public_path() + ": is not what " + name_of(file.path) +
                   " holds (moat-statectl keep mends it)",
               Cause::damaged};
}

Status restore_file(Invocation &invocation, const GateFile &file,
                    const std::string &copy_path) {
  const auto copy = Store::open(copy_path, published_store);
  if (!copy) return copy.error();
  const auto store = open_gate_file(invocation, file);
  if (!store) return store.error();
  return (*store)->update(Deadline::after(patience), [&](Writer &writer) -> Status {
    const auto mark = writer.get(boot_mark_key);
    if (!mark) return mark.error();
    const std::optional<std::string> ours(*mark);
    auto status = writer.clear();
    auto read = (*copy)->read([&](Reader &reader) {
      return reader.each("", [&](const Entry &entry) {
        if (status) status = writer.put(entry.key, entry.value);
        return bool{status};
      });
    });
    if (!read || !status) return read ? status : read;
    // The copy's own mark is of another boot, and would have it replaced.
    return ours ? writer.put(boot_mark_key, *ours) : done;
  });
}

// A copy that is damaged, or of a newer version, is found before it replaces
// anything.
Status check_copy(const Places &places, const GateFile &file, const std::string &path) {
  const auto copy = Store::open(path, published_store);
  if (!copy) return copy.error();
  auto whole = (*copy)->check();
  if (!whole || !which_master(places, file.path)) return whole;
  return check_records(**copy);
}

}  // namespace

Result<Store *> open_gate_file(Invocation &invocation, const GateFile &file) {
  return Store::open(invocation, file.path, file.synced ? master_store : learned_store);
}

Result<int> show_info(Invocation &invocation, const Places &places) {
  std::string text;
  for (const GateFile &file : all_files(places)) text += info_line(invocation, file);
  const auto written = write_all(STDOUT_FILENO, text);
  if (!written) return written.error();
  return int{exit_ok};
}

Result<int> check_stores(Invocation &invocation, const Places &places) {
  std::string text;
  int code = exit_ok;
  for (const GateFile &file : all_files(places)) {
    const auto checked = check_file(invocation, places, file);
    if (checked) {
      text += line_of({{"file", file.path}, {"result", "ok"}});
      continue;
    }
    const Cause cause = checked.error().cause;
    const bool bad = cause == Cause::damaged || cause == Cause::newer;
    text += line_of({{"file", file.path},
                     {"result", bad ? "damaged" : "unknown"},
                     {"reason", checked.error().what}});
    if (bad) code = exit_found;
    if (!bad && code == exit_ok) code = exit_temporary;
  }
  const auto written = write_all(STDOUT_FILENO, text);
  if (!written) return written.error();
  return code;
}

Status back_up(Invocation &invocation, const Places &places, const std::string &folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return system_error(folder);
  for (const GateFile &file : gate_files(places)) {
    const auto store = open_gate_file(invocation, file);
    if (!store) return store.error();
    auto copied = (*store)->copy_to(folder + "/" + name_of(file.path));
    if (!copied) return copied;
  }
  return done;
}

Status restore(Invocation &invocation, const Places &places, const std::string &folder) {
  std::vector<GateFile> found;
  for (const GateFile &file : gate_files(places)) {
    const std::string copy_path = folder + "/" + name_of(file.path);
    if (::access(copy_path.c_str(), F_OK) != 0) continue;
    auto whole = check_copy(places, file, copy_path);
    if (!whole) return whole;
    found.push_back(file);
  }
  if (found.empty()) return permanent_error(folder + ": no backup is there");
  for (const GateFile &file : found) {
    auto restored = restore_file(invocation, file, folder + "/" + name_of(file.path));
    if (!restored) return restored;
    const auto which = which_master(places, file.path);
    if (!which) continue;
    const auto master = Master::open(invocation, places, *which);
    if (!master) return master.error();
    auto published = master->publish();
    if (!published) return published;
  }
  return done;
}

}  // namespace moat
