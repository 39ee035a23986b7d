// The files around a store: what must be there, and who may share them. For
// this folder alone.

#pragma once

#include <string>

#include "libcommon/base/result.h"

namespace moat {

std::string lock_file_of(const std::string &path);    // LMDB's: reader slots, mutex
std::string writer_file_of(const std::string &path);  // the writer's lock

// Checks that the file is there, and has a head.
Status check_store_file(const std::string &path);

// Checks before the file is opened with its locks: all three are there, on a
// local file system, and their users are processes of one PID namespace, for
// LMDB tells dead readers from living ones by their numbers.
Status check_store_files(const std::string &path);

}  // namespace moat
