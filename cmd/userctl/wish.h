// What a call of userctl, or a line of an import, says of a directory entry.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/places.h"
#include "libcommon/base/result.h"
#include "libcommon/directory/records.h"

namespace moat {

// What stands in options; nullopt is what was not said.
struct Wish {
  std::optional<std::string> route;
  std::optional<std::string> recipients;
  std::optional<std::string> catch_all;
  std::optional<std::string> maildir;
  std::optional<std::string> owner;
  std::optional<std::string> members;
  std::optional<bool> trap;
  std::optional<bool> greylist;
};

// Each changes a record as the wish says, or refuses it: a permanent error that
// names the option. What does not belong to this kind of entry is refused too.
Status apply(const Wish &wish, const Places &places, Domain &domain);
Status apply(const Wish &wish, const Places &places, DirectoryEntry &entry);

// Return new entries, nothing wished yet. A permanent error for a bad name.
Result<Domain> new_domain(std::string_view name, const Places &places);
Result<DirectoryEntry> new_entry(EntryKind kind, std::string_view address,
                                 const Places &places);

// Sets an alias's targets: addresses, checked and in the directory's spelling.
Status set_targets(DirectoryEntry &entry, const std::vector<std::string> &targets);

// Returns the line of an export, without newline: "user a@example.test --trap".
// What is as it would be anyway is left out.
std::string export_line(const Domain &domain, const Places &places);
std::string export_line(const DirectoryEntry &entry, const Places &places);

std::string default_maildir(const Places &places, std::string_view address);

// Returns "user", "alias" or "list".
std::string_view word_of(EntryKind kind);

}  // namespace moat
