// The paths that a system call names.

#pragma once

#include <fcntl.h>

#include "tests/tools/tracer.h"

namespace moat::test {

struct Names {
  std::string old_path;  // what is opened, renamed or unlinked
  std::string new_path;  // what is made by link, rename, mkdir, symlink or mknod
  std::uint64_t flags = 0;
};

// Returns a call's names, absolute. To be asked at its entry, before it changes
// what they mean. A call that takes no path has none.
inline Names names_of(const Stop &stop) {
  const auto at = [&](int folder, int path) {
    return path_of(stop.pid, static_cast<std::int32_t>(stop.args[folder]),
                   text_of(stop.pid, stop.args[path]));
  };
  const auto here = [&](int path) {
    return path_of(stop.pid, AT_FDCWD, text_of(stop.pid, stop.args[path]));
  };
  switch (stop.number) {
    case SYS_openat: return {at(0, 1), {}, stop.args[2]};
    case SYS_unlinkat: return {at(0, 1), {}, 0};
    case SYS_renameat2: return {at(0, 1), at(2, 3), stop.args[4]};
    case SYS_linkat: return {{}, at(2, 3), 0};
    case SYS_symlinkat: return {{}, at(1, 2), 0};
    case SYS_mkdirat:
    case SYS_mknodat: return {{}, at(0, 1), 0};
    case SYS_truncate: return {here(0), {}, 0};
#if defined(__x86_64__)
    case SYS_open: return {here(0), {}, stop.args[1]};
    case SYS_creat: return {here(0), {}, O_CREAT | O_TRUNC};
    case SYS_unlink:
    case SYS_rmdir: return {here(0), {}, 0};
    case SYS_rename: return {here(0), here(1), 0};
    case SYS_renameat: return {at(0, 1), at(2, 3), 0};
    case SYS_link:
    case SYS_symlink: return {{}, here(1), 0};
    case SYS_mkdir:
    case SYS_mknod: return {{}, here(0), 0};
#endif
    default: return {};
  }
}

}  // namespace moat::test
