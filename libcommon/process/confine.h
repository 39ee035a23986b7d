// Confinement: what a process gives up for good before it reads the first octet
// of a stranger. Children inherit it, so a spawner pays for it once.

#pragma once

#include <string>
#include <vector>

#include "libcommon/base/result.h"

namespace moat {

// What is left to the confined: reading and writing what is open, sockets of
// the unix and IP families, memory, children without exec, and these.
struct Confinement {
  std::vector<std::string> read;   // files and folders that may be opened to read
  std::vector<std::string> write;  // folders in which files may be made and written
};

// Puts no_new_privs, a seccomp filter without execve and, where the kernel has
// it, Landlock on this process and all that it forks. Paths that do not exist
// are left out: what is made there later stays out of reach. A kernel without
// seccomp filters is a temporary error, and nothing is put on; the caller logs
// event=unconfined. Does nothing in sanitizer and coverage builds, which must
// open files of their own.
Status confine(const Confinement &confinement);

// Whether a seccomp filter holds this process, ours or another's.
bool is_confined();

}  // namespace moat
