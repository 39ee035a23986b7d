#include "cmd/userctl/edit.h"

namespace moat {
namespace {

Error exists(std::string_view name) {
  return permanent_error(std::string(name) + " is there already");
}

Error absent(std::string_view name) {
  return permanent_error("no such entry: " + std::string(name));
}

}  // namespace

std::string_view domain_of(std::string_view address) {
  return address.substr(address.rfind('@') + 1);
}

Result<std::optional<Domain>> get_domain(Reader &reader, std::string_view name) {
  const std::string key = domain_key(name);
  const auto record = reader.get(key);
  if (!record) return record.error();
  if (!*record) return std::optional<Domain>();
  auto domain = decode_domain(key, **record);
  if (!domain) return domain.error();
  if (domain->name != name) return std::optional<Domain>();
  return std::optional(std::move(*domain));
}

Result<std::optional<DirectoryEntry>> get_entry(Reader &reader,
                                                std::string_view address) {
  const std::string key = entry_key(address);
  const auto record = reader.get(key);
  if (!record) return record.error();
  if (!*record) return std::optional<DirectoryEntry>();
  auto entry = decode_entry(key, **record);
  if (!entry) return entry.error();
  if (entry->address != address) return std::optional<DirectoryEntry>();
  return std::optional(std::move(*entry));
}

Status add_domain(Writer &writer, const Domain &domain) {
  const auto added = writer.put_if_absent(domain_key(domain.name), encode(domain));
  if (!added) return added.error();
  if (!*added) return exists(domain.name);
  return settle_default_domain(writer);
}

Status add_entry(Writer &writer, const DirectoryEntry &entry) {
  const auto home = get_domain(writer, domain_of(entry.address));
  if (!home) return home.error();
  if (!*home) {
    return permanent_error("no such domain: " + std::string(domain_of(entry.address)));
  }
  const auto added = writer.put_if_absent(entry_key(entry.address), encode(entry));
  if (!added) return added.error();
  if (!*added) return exists(entry.address);
  return done;
}

Status replace_domain(Writer &writer, const Domain &domain) {
  return writer.put(domain_key(domain.name), encode(domain));
}

Status replace_entry(Writer &writer, const DirectoryEntry &entry) {
  return writer.put(entry_key(entry.address), encode(entry));
}

Status remove_domain(Writer &writer, std::string_view name) {
  const auto there = get_domain(writer, name);
  if (!there) return there.error();
  if (!*there) return absent(name);
  bool used = false;
  auto walked = each_entry(writer, [&](const DirectoryEntry &entry) {
    used = domain_of(entry.address) == name;
    return !used;
  });
  if (!walked) return walked;
  if (used) {
    return permanent_error(std::string(name) + " still has users, aliases or lists");
  }
  const auto removed = writer.remove(domain_key(name));
  if (!removed) return removed.error();
  return settle_default_domain(writer);
}

Status remove_entry(Writer &writer, EntryKind kind, std::string_view address) {
  const auto there = get_entry(writer, address);
  if (!there) return there.error();
  if (!*there || (*there)->kind != kind) return absent(address);
  const auto removed = writer.remove(entry_key(address));
  if (!removed) return removed.error();
  return done;
}

Status each_domain(Reader &reader, const std::function<bool(const Domain &)> &call) {
  Status status = done;
  auto walked = reader.each(domain_prefix, [&](const Entry &found) {
    const auto domain = decode_domain(found.key, found.value);
    if (!domain) status = domain.error();
    return domain && call(*domain);
  });
  return walked ? status : walked;
}

Status each_entry(Reader &reader,
                  const std::function<bool(const DirectoryEntry &)> &call) {
  Status status = done;
  auto walked = reader.each(entry_prefix, [&](const Entry &found) {
    const auto entry = decode_entry(found.key, found.value);
    if (!entry) status = entry.error();
    return entry && call(*entry);
  });
  return walked ? status : walked;
}

Status settle_default_domain(Writer &writer) {
  const auto now = writer.get(default_domain_key);
  if (!now) return now.error();
  if (*now) {
    const auto name = decode_text(default_domain_key, **now);
    if (!name) return name.error();
    const auto there = get_domain(writer, *name);
    if (!there) return there.error();
    if (*there) return done;
  }
  std::string first;
  auto walked = each_domain(writer, [&](const Domain &domain) {
    first = domain.name;
    return false;
  });
  if (!walked) return walked;
  if (!first.empty()) {
    return writer.put(default_domain_key, encode_text(default_domain_key, first));
  }
  const auto removed = writer.remove(default_domain_key);
  if (!removed) return removed.error();
  return done;
}

}  // namespace moat
