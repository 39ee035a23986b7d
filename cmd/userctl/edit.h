// Changing and reading the directory's master, one transaction at a time.

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/userctl/wish.h"
#include "libcommon/base/result.h"
#include "libcommon/directory/records.h"
#include "libcommon/state/store.h"

namespace moat {

// Return nullopt when there is none.
Result<std::optional<Domain>> get_domain(Reader &reader, std::string_view name);
Result<std::optional<DirectoryEntry>> get_entry(Reader &reader, std::string_view address);

// Adds one that must not be there yet; a permanent error says so. The first
// domain becomes the one that a bare <postmaster> means. An entry's domain must
// be there.
Status add_domain(Writer &writer, const Domain &domain);
Status add_entry(Writer &writer, const DirectoryEntry &entry);

// Puts one in place of that of the same name.
Status replace_domain(Writer &writer, const Domain &domain);
Status replace_entry(Writer &writer, const DirectoryEntry &entry);

// Removes one that must be there; a domain must be empty.
Status remove_domain(Writer &writer, std::string_view name);
Status remove_entry(Writer &writer, EntryKind kind, std::string_view address);

// Call with each, until one returns false.
Status each_domain(Reader &reader, const std::function<bool(const Domain &)> &call);
Status each_entry(Reader &reader,
                  const std::function<bool(const DirectoryEntry &)> &call);

// Sees to it that a bare <postmaster> means one of the domains: the one that it
// meant, or the first that is left.
Status settle_default_domain(Writer &writer);

// Returns the domain of an entry's address.
std::string_view domain_of(std::string_view address);

}  // namespace moat
