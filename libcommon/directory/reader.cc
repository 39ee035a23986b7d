#include <sys/stat.h>

#include "libcommon/base/text.h"
#include "libcommon/directory/address.h"
#include "libcommon/directory/directory.h"
#include "libcommon/directory/master.h"
#include "libcommon/directory/networks.h"
#include "libcommon/directory/records.h"
#include "libcommon/process/invocation.h"
#include "libcommon/state/published.h"

namespace moat {
namespace {

constexpr std::string_view postmaster = "postmaster";

// A published file that may be replaced while we live: the one that has the
// name now counts.
class PublishedFile {
 public:
  PublishedFile(std::string path, std::string_view seal)
      : path_(std::move(path)), seal_(seal) {}

  Status refresh() {
    struct stat now{};
    if (::stat(path_.c_str(), &now) != 0) return named(system_error(path_));
    if (store_ && now.st_dev == device_ && now.st_ino == inode_) return done;
    auto fresh = Store::open(path_, published_store);
    if (!fresh) return fresh.error();
    const auto sealed =
        (*fresh)->read([&](Reader &reader) { return check_seal(reader, seal_); });
    if (!sealed) return named(sealed.error());
    store_ = std::move(*fresh);
    device_ = now.st_dev;
    inode_ = now.st_ino;
    return done;
  }

  Status read(const std::function<Status(Reader &)> &body) const {
    auto status = store_->read(body);
    if (!status) return named(status.error());
    return status;
  }

 private:
  // Errors of a record do not know their file.
  Error named(Error error) const {
    if (error.what.find(path_) == std::string::npos) error.what.insert(0, path_ + ": ");
    if (error.cause == Cause::missing) error.what += " (moat-statectl init makes it)";
    error.temporary = true;
    return error;
  }

  std::string path_;
  std::string_view seal_;
  std::unique_ptr<Store> store_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

class PublishedDirectory final : public Directory, public OpenState {
 public:
  explicit PublishedDirectory(const Places &places)
      : control_(public_path(places, Master::Which::control), control_seal),
        relay_(public_path(places, Master::Which::relay), relay_seal) {}

  Status refresh() { return control_.refresh(); }
  bool may_lapse() const override { return true; }

  Result<Recipient> find(std::string_view local, std::string_view domain) const override;
  Result<bool> is_local_domain(std::string_view domain) const override;
  Result<std::optional<bool>> may_relay(const IpAddress &client,
                                        std::int64_t now) const override;
  Result<std::optional<std::string>> rules(std::string_view name) const override;

 private:
  PublishedFile control_;
  mutable PublishedFile relay_;  // opened by the first who asks
};

Result<std::optional<Domain>> find_domain(Reader &reader, std::string_view name) {
  const std::string key = domain_key(name);
  const auto found = find_published(reader, key);
  if (!found) return found.error();
  if (!*found) return std::optional<Domain>();
  auto domain = decode_domain(key, **found);
  if (!domain) return domain.error();
  if (domain->name != name) return std::optional<Domain>();
  return std::optional(std::move(*domain));
}

Result<std::optional<DirectoryEntry>> find_entry(Reader &reader, const Address &address) {
  const std::string text = address.text();
  const std::string key = entry_key(text);
  const auto found = find_published(reader, key);
  if (!found) return found.error();
  if (!*found) return std::optional<DirectoryEntry>();
  auto entry = decode_entry(key, **found);
  if (!entry) return entry.error();
  if (entry->address != text) return std::optional<DirectoryEntry>();
  return std::optional(std::move(*entry));
}

Recipient recipient_of(DirectoryEntry entry, const Domain &domain) {
  Recipient recipient;
  switch (entry.kind) {
    case EntryKind::account:
      recipient.kind =
          domain.route.empty() ? RecipientKind::account : RecipientKind::routed;
      break;
    case EntryKind::alias: recipient.kind = RecipientKind::alias; break;
    case EntryKind::list: recipient.kind = RecipientKind::list; break;
  }
  recipient.address = std::move(entry.address);
  recipient.maildir = std::move(entry.maildir);
  recipient.uid = entry.uid;
  recipient.gid = entry.gid;
  recipient.owned = entry.owned;
  recipient.trap = entry.trap;
  recipient.greylist = entry.greylist;
  recipient.targets = std::move(entry.targets);
  recipient.route = domain.route;
  return recipient;
}

Recipient plain(RecipientKind kind, const Address &address, const Domain &domain) {
  Recipient recipient;
  recipient.kind = kind;
  recipient.address = address.text();
  recipient.route = domain.route;
  return recipient;
}

// The address itself, then without its tag.
Result<std::optional<DirectoryEntry>> find_plain_or_tagged(Reader &reader,
                                                           const Address &address) {
  auto exact = find_entry(reader, address);
  if (!exact || *exact) return exact;
  const auto plus = address.local.find('+');
  if (plus == std::string::npos || plus == 0) return exact;
  return find_entry(reader, {address.local.substr(0, plus), address.domain});
}

// A catch-all stands for an address that must itself be known, so that two of
// them cannot send a message round and round.
Result<Recipient> find_catch_all(Reader &reader, const Address &asked,
                                 const Domain &domain) {
  const auto address = parse_address(domain.catch_all);
  if (!address) return plain(RecipientKind::unknown, asked, domain);
  const auto home = find_domain(reader, address->domain);
  if (!home) return home.error();
  if (!*home || ((*home)->recipients != Recipients::known)) {
    Recipient elsewhere = plain(RecipientKind::alias, asked, domain);
    elsewhere.targets = {domain.catch_all};
    return elsewhere;
  }
  auto entry = find_plain_or_tagged(reader, *address);
  if (!entry) return entry.error();
  if (!*entry) return plain(RecipientKind::unknown, asked, domain);
  return recipient_of(std::move(**entry), **home);
}

Result<Recipient> find_in_domain(Reader &reader, const Address &address,
                                 const Domain &domain) {
  auto entry = find_plain_or_tagged(reader, address);
  if (!entry) return entry.error();
  if (*entry) return recipient_of(std::move(**entry), domain);
  if (domain.recipients == Recipients::ask) {
    return plain(RecipientKind::ask, address, domain);
  }
  if (domain.recipients == Recipients::any) {
    return plain(RecipientKind::routed, address, domain);
  }
  if (!domain.catch_all.empty()) {
    auto found = find_catch_all(reader, address, domain);
    if (!found || found->kind != RecipientKind::unknown) return found;
  }
  if (address.local != postmaster) return plain(RecipientKind::unknown, address, domain);
  Recipient recipient =
      plain(domain.route.empty() ? RecipientKind::account : RecipientKind::routed,
            address, domain);
  recipient.maildir = domain.postmaster;
  return recipient;
}

Result<std::string> default_domain(Reader &reader) {
  const auto found = find_published(reader, default_domain_key);
  if (!found) return found.error();
  if (!*found) return std::string();
  return decode_text(default_domain_key, **found);
}

Result<Recipient> PublishedDirectory::find(std::string_view local,
                                           std::string_view domain) const {
  Result<Recipient> result = Recipient{};
  const auto read = control_.read([&](Reader &reader) -> Status {
    std::string home = to_lower(domain);
    if (domain.empty() && equal_nocase(local, postmaster)) {
      const auto first = default_domain(reader);
      if (!first) return first.error();
      home = *first;
    }
    const auto found =
        is_domain_name(home) ? find_domain(reader, home) : std::optional<Domain>();
    if (!found) return found.error();
    if (!*found) return done;  // foreign
    const auto address = make_address(local, home);
    if (!address) {
      result = plain(RecipientKind::unknown, {std::string(local), home}, **found);
      return done;
    }
    result = find_in_domain(reader, *address, **found);
    if (!result) return result.error();
    return done;
  });
  if (!read) return read.error();
  return result;
}

Result<bool> PublishedDirectory::is_local_domain(std::string_view domain) const {
  const std::string name = to_lower(domain);
  if (!is_domain_name(name)) return false;
  bool found = false;
  const auto read = control_.read([&](Reader &reader) -> Status {
    const auto record = find_domain(reader, name);
    if (!record) return record.error();
    found = record->has_value();
    return done;
  });
  if (!read) return read.error();
  return found;
}

Result<std::optional<bool>> PublishedDirectory::may_relay(const IpAddress &client,
                                                          std::int64_t now) const {
  std::optional<bool> said;
  const auto match = [&](Reader &reader) -> Status {
    const auto lookup = [&](std::string_view key) { return find_published(reader, key); };
    const auto matched = match_network(lookup, client, now);
    if (!matched) return matched.error();
    said = *matched;
    return done;
  };
  const auto control = control_.read(match);
  if (!control) return control.error();
  // What the administrator said goes before what a login opened.
  if (said) return said;
  const auto fresh = relay_.refresh();
  if (!fresh) return fresh.error();
  const auto relay = relay_.read(match);
  if (!relay) return relay.error();
  return said;
}

Result<std::optional<std::string>> PublishedDirectory::rules(
    std::string_view name) const {
  std::optional<std::string> table;
  const auto read = control_.read([&](Reader &reader) -> Status {
    const std::string key = rules_key(name);
    const auto found = find_published(reader, key);
    if (!found) return found.error();
    if (!*found) return done;
    auto text = decode_text(key, **found);
    if (!text) return text.error();
    table = std::move(*text);
    return done;
  });
  if (!read) return read.error();
  return table;
}

}  // namespace

Result<const Directory *> Directory::open(Invocation &invocation, const Places &places) {
  auto &place = invocation.open_state["directory " + places.dir];
  if (place == nullptr) place = std::make_unique<PublishedDirectory>(places);
  auto *directory = static_cast<PublishedDirectory *>(place.get());
  const auto fresh = directory->refresh();
  if (!fresh) return fresh.error();
  const Directory *result = directory;
  return result;
}

}  // namespace moat
