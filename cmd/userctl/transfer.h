// The directory as a text, out and in.

#pragma once

#include <string_view>

#include "cmd/userctl/commands.h"
#include "libcommon/base/result.h"
#include "libcommon/directory/master.h"

namespace moat {

// What an import says, whole and checked.
struct ImportText {
  std::vector<Domain> domains;
  std::vector<DirectoryEntry> entries;
};

// Adds one line of an export. A permanent error says what is wrong with it;
// blanks, empty lines and what follows a '#' at the start of a word are skipped.
Status parse_import_line(std::string_view line, const Places &places, ImportText &text);

// Sorts an import by name and address. A permanent error: something comes twice,
// or an entry belongs to no domain.
Status check_whole(ImportText &text);

// Puts a checked import in place of all domains, users, aliases and lists, makes
// the Maildirs if the call says so, and logs it.
Status put_import(const Call &call, const ImportText &text, const Master &master,
                  const Places &places, Invocation &invocation);

// Writes an import to standard output as an export has it.
Status print_import(const ImportText &text, const Places &places);

// Writes everything to standard output, so that import makes the same again.
Status export_all(const Master &master, const Places &places);

// Puts what a file or standard input says in place of all domains, users,
// aliases and lists: all of it, or on any mistake nothing.
Status import_all(const Call &call, const Master &master, const Places &places,
                  Invocation &invocation);

}  // namespace moat
