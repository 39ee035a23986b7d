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

// Checks it again when the file is open: of two that came first at the same
// time, from two namespaces, one goes.
Status confirm_store_files(const std::string &path);

// Makes an empty file beside its place and renames it there.
Status make_store_file(const std::string &path);

// Gives `path` the owner and mode of `model`, syncs it, and renames it to `to`.
Status move_in_place(const std::string &path, const std::string &model,
                     const std::string &to);

// Returns the kernel's boot id, or "" where it does not say.
std::string boot_id();

std::string folder_of(const std::string &path);

}  // namespace moat
