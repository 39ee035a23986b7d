#include "cmd/userctl/commands.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "cmd/userctl/edit.h"
#include "cmd/userctl/maildir.h"
#include "cmd/userctl/password.h"
#include "cmd/userctl/qmail_folder.h"
#include "cmd/userctl/transfer.h"
#include "libcommon/base/io.h"
#include "libcommon/base/text.h"
#include "libcommon/directory/address.h"
#include "libcommon/directory/directory.h"
#include "libcommon/directory/master.h"

namespace moat {
namespace {

constexpr std::array<std::string_view, 5> verbs{"add", "set", "show", "list", "remove"};

std::optional<EntryKind> kind_of(std::string_view word) {
  if (word == "user") return EntryKind::account;
  if (word == "alias") return EntryKind::alias;
  if (word == "list") return EntryKind::list;
  return std::nullopt;
}

bool is_noun(std::string_view word) { return word == "domain" || kind_of(word); }

// A target in a domain of ours that nobody has would bounce every message.
Status check_targets(Reader &reader, const DirectoryEntry &entry) {
  if (entry.kind != EntryKind::alias) return done;
  for (const std::string &target : entry.targets) {
    const auto address = parse_address(target);
    if (!address || address->text() == entry.address) continue;
    const auto home = get_domain(reader, address->domain);
    if (!home) return home.error();
    if (!*home || (*home)->recipients != Recipients::known) continue;
    if (!(*home)->catch_all.empty() || address->local == "postmaster") continue;
    auto found = get_entry(reader, address->text());
    const auto plus = address->local.find('+');
    if (found && !*found && plus != std::string::npos && plus > 0) {
      found = get_entry(reader,
                        Address{address->local.substr(0, plus), address->domain}.text());
    }
    if (!found) return found.error();
    if (!*found) return permanent_error("no such recipient: " + target);
  }
  return done;
}

// One call at work.
class Work {
 public:
  Work(const Call &call, Invocation &invocation, Master master)
      : call_(call),
        words_(call.words),
        invocation_(invocation),
        places_(Places::from(invocation.env)),
        master_(std::move(master)) {}

  Result<int> domain();
  Result<int> entry(EntryKind kind);

 private:
  Status add_new_entry(EntryKind kind);
  Status set_entry(EntryKind kind);
  Status remove_named_entry(EntryKind kind);
  Result<int> show_entry(EntryKind kind);
  Result<int> list_entries(EntryKind kind);
  Status add_new_domain();
  Status set_domain();
  Result<std::string> named_domain() const;
  Result<std::string> named_address() const;

  const Call &call_;
  const std::vector<std::string> &words_;
  Invocation &invocation_;
  Places places_;
  Master master_;
};

Result<int> exit_for(const Status &status) {
  if (!status) return status.error();
  return int{exit_ok};
}

Result<int> print(std::string_view text) {
  const auto written = write_all(STDOUT_FILENO, text);
  if (!written) return written.error();
  return int{exit_ok};
}

Result<std::string> Work::named_domain() const {
  const auto domain = new_domain(words_[2], places_);
  if (!domain) return domain.error();
  return domain->name;
}

Result<std::string> Work::named_address() const {
  const auto address = parse_address(words_[2]);
  if (!address) return permanent_error("not an address: " + words_[2]);
  return address->text();
}

// The Maildir of a domain's postmaster, as if he were an account.
DirectoryEntry postmaster_of(const Domain &domain) {
  DirectoryEntry account;
  account.address = "postmaster@" + domain.name;
  account.maildir = domain.postmaster;
  return account;
}

Status Work::add_new_domain() {
  auto domain = new_domain(words_[2], places_);
  if (!domain) return domain.error();
  auto applied = apply(call_.wish, places_, *domain);
  if (!applied) return applied;
  if (domain->route.empty()) {
    auto made = make_maildir(places_, postmaster_of(*domain));
    if (!made) return made;
  }
  return master_.change([&](Writer &writer) { return add_domain(writer, *domain); });
}

Status Work::set_domain() {
  const auto name = named_domain();
  if (!name) return name.error();
  return master_.change([&](Writer &writer) -> Status {
    auto domain = get_domain(writer, *name);
    if (!domain) return domain.error();
    if (!*domain) return permanent_error("no such domain: " + *name);
    auto applied = apply(call_.wish, places_, **domain);
    if (!applied) return applied;
    return replace_domain(writer, **domain);
  });
}

Result<int> Work::domain() {
  const std::string &verb = words_[1];
  if (verb == "add") return exit_for(add_new_domain());
  if (verb == "set") return exit_for(set_domain());
  std::string text;
  if (verb == "list") {
    const auto read = master_.read([&](Reader &reader) {
      return each_domain(reader, [&](const Domain &domain) {
        text += domain.name + "\n";
        return true;
      });
    });
    return read ? print(text) : Result<int>(read.error());
  }
  const auto name = named_domain();
  if (!name) return name.error();
  if (verb == "remove") {
    return exit_for(
        master_.change([&](Writer &writer) { return remove_domain(writer, *name); }));
  }
  const auto read = master_.read([&](Reader &reader) -> Status {
    const auto found = get_domain(reader, *name);
    if (!found) return found.error();
    if (!*found) return permanent_error("no such domain: " + *name);
    text = export_line(**found, places_) + "\n";
    return done;
  });
  return read ? print(text) : Result<int>(read.error());
}

Status Work::add_new_entry(EntryKind kind) {
  auto entry = new_entry(kind, words_[2], places_);
  if (!entry) return entry.error();
  auto status = apply(call_.wish, places_, *entry);
  if (status && kind == EntryKind::alias) {
    status = set_targets(*entry, {words_.begin() + 3, words_.end()});
  }
  if (!status) return status;
  std::string hash;
  if (call_.password_on_stdin) {
    auto read = hashed_password(*entry, true);
    if (!read) return read.error();
    hash = std::move(*read);
  }
  if (kind == EntryKind::account) {
    // The Maildir first: nobody is accepted whose mail has no place.
    status = master_.read([&](Reader &reader) -> Status {
      const auto home = get_domain(reader, domain_of(entry->address));
      if (!home) return home.error();
      if (!*home || !(*home)->route.empty()) return done;
      return make_maildir(places_, *entry);
    });
    if (!status) return status;
  }
  status = master_.change([&](Writer &writer) -> Status {
    const auto known = check_targets(writer, *entry);
    return known ? add_entry(writer, *entry) : known;
  });
  if (!status || hash.empty()) return status;
  return set_password(invocation_, places_, entry->address, hash);
}

Status Work::set_entry(EntryKind kind) {
  const auto address = named_address();
  if (!address) return address.error();
  DirectoryEntry changed;
  const auto status = master_.change([&](Writer &writer) -> Status {
    auto entry = get_entry(writer, *address);
    if (!entry) return entry.error();
    if (!*entry || (*entry)->kind != kind) {
      return permanent_error("no such " + words_[0] + ": " + *address);
    }
    auto applied = apply(call_.wish, places_, **entry);
    if (applied && words_.size() > 3) {
      applied = set_targets(**entry, {words_.begin() + 3, words_.end()});
      if (applied) applied = check_targets(writer, **entry);
    }
    if (!applied) return applied;
    changed = **entry;
    return replace_entry(writer, **entry);
  });
  if (!status || kind != EntryKind::account || !call_.wish.maildir) return status;
  return make_maildir(places_, changed);
}

Status Work::remove_named_entry(EntryKind kind) {
  const auto address = named_address();
  if (!address) return address.error();
  auto removed = master_.change(
      [&](Writer &writer) { return remove_entry(writer, kind, *address); });
  if (!removed || kind != EntryKind::account) return removed;
  return remove_password(invocation_, places_, *address);
}

Result<int> Work::show_entry(EntryKind kind) {
  const auto address = named_address();
  if (!address) return address.error();
  std::string text;
  const auto read = master_.read([&](Reader &reader) -> Status {
    const auto found = get_entry(reader, *address);
    if (!found) return found.error();
    if (!*found || (*found)->kind != kind) {
      return permanent_error("no such " + words_[0] + ": " + *address);
    }
    text = export_line(**found, places_) + "\n";
    return done;
  });
  return read ? print(text) : Result<int>(read.error());
}

Result<int> Work::list_entries(EntryKind kind) {
  const std::string domain = words_.size() > 2 ? to_lower(words_[2]) : "";
  std::string text;
  const auto read = master_.read([&](Reader &reader) {
    return each_entry(reader, [&](const DirectoryEntry &entry) {
      const bool wanted =
          entry.kind == kind && (domain.empty() || domain_of(entry.address) == domain);
      if (wanted) text += entry.address + "\n";
      return true;
    });
  });
  return read ? print(text) : Result<int>(read.error());
}

Result<int> Work::entry(EntryKind kind) {
  const std::string &verb = words_[1];
  if (verb == "add") return exit_for(add_new_entry(kind));
  if (verb == "set") return exit_for(set_entry(kind));
  if (verb == "remove") return exit_for(remove_named_entry(kind));
  return verb == "show" ? show_entry(kind) : list_entries(kind);
}

std::string check_line(const Recipient &recipient) {
  static constexpr std::array<std::string_view, 7> names{
      "foreign", "unknown", "account", "alias", "list", "routed", "ask"};
  std::string line = "check=recipient result=";
  line += names.at(static_cast<std::size_t>(recipient.kind));
  const auto add = [&](std::string_view name, const std::string &value) {
    if (!value.empty()) line += " " + field_text(Field(name, value));
  };
  add("address", recipient.address);
  if (recipient.kind == RecipientKind::account) add("maildir", recipient.maildir);
  if (recipient.owned) {
    add("owner", std::to_string(recipient.uid) + ":" + std::to_string(recipient.gid));
  }
  for (const std::string &target : recipient.targets) {
    add(recipient.kind == RecipientKind::list ? "members" : "target", target);
  }
  add("route", recipient.route);
  if (recipient.trap) line += " trap=yes";
  if (!recipient.greylist) line += " greylist=off";
  return line + "\n";
}

// Asks what the network's programs ask: the published directory.
Result<int> check(const std::string &text, Invocation &invocation) {
  const auto directory = Directory::open(invocation, Places::from(invocation.env));
  if (!directory) return directory.error();
  const bool bare = equal_nocase(text, "postmaster");
  const auto address = bare ? Address{text, ""} : parse_address(text);
  if (!address) return permanent_error("not an address: " + text);
  const auto found = (*directory)->find(address->local, address->domain);
  if (!found) return found.error();
  const auto printed = print(check_line(*found));
  if (!printed) return printed.error();
  const bool nobody =
      found->kind == RecipientKind::foreign || found->kind == RecipientKind::unknown;
  return int{nobody ? exit_found : exit_ok};
}

Result<int> passwd(const Call &call, Invocation &invocation) {
  const Places places = Places::from(invocation.env);
  const auto address = parse_address(call.words[1]);
  if (!address) return permanent_error("not an address: " + call.words[1]);
  const auto master = Master::open(invocation, places, Master::Which::control);
  if (!master) return master.error();
  DirectoryEntry account;
  const auto read = master->read([&](Reader &reader) -> Status {
    const auto entry = get_entry(reader, address->text());
    if (!entry) return entry.error();
    if (!*entry || (*entry)->kind != EntryKind::account) {
      return permanent_error("no such user: " + address->text());
    }
    account = **entry;
    return done;
  });
  if (!read) return read.error();
  const auto hash = hashed_password(account, call.password_on_stdin);
  if (!hash) return hash.error();
  return exit_for(set_password(invocation, places, account.address, *hash));
}

std::string misuse_of_verb(const std::vector<std::string> &words) {
  if (words.size() < 2 ||
      std::find(verbs.begin(), verbs.end(), words[1]) == verbs.end()) {
    return words[0] + " takes add, set, show, list or remove";
  }
  const std::string call = words[0] + " " + words[1] + " takes ";
  if (words[1] == "list") return words.size() <= 3 ? "" : call + "a domain at most";
  if (words[0] == "alias" && (words[1] == "add" || words[1] == "set")) {
    return words.size() >= 3 ? "" : call + "an address and targets";
  }
  if (words.size() == 3) return "";
  return call + (words[0] == "domain" ? "one domain" : "one address");
}

std::string misuse_of_import(const Call &call) {
  if (call.from.empty()) {
    if (call.watch) return "--watch goes with --from";
    return call.words.size() <= 2 ? "" : "import takes one file at most";
  }
  if (!qmail_folder(call.from))
    return "--from takes qmail or qmail:DIR, an absolute path";
  if (call.words.size() > 1) return "import takes a file or --from";
  return call.watch && call.dry_run ? "--watch and --dry-run exclude each other" : "";
}

}  // namespace

std::string misuse_of(const Call &call) {
  const auto &words = call.words;
  if (words.empty()) {
    return "takes domain, user, alias, list, check, passwd, export or import";
  }
  if (is_noun(words[0])) return misuse_of_verb(words);
  if (words[0] == "check" || words[0] == "passwd") {
    return words.size() == 2 ? "" : words[0] + " takes one address";
  }
  if (words[0] == "export") return words.size() == 1 ? "" : "export takes no words";
  if (words[0] == "import") return misuse_of_import(call);
  return "takes no " + words[0];
}

Result<int> obey(const Call &call, Invocation &invocation) {
  const std::string &word = call.words[0];
  if (word == "check") return check(call.words[1], invocation);
  if (word == "passwd") return passwd(call, invocation);
  const Places places = Places::from(invocation.env);
  auto master = Master::open(invocation, places, Master::Which::control);
  if (!master) return master.error();
  if (word == "export") return exit_for(export_all(*master, places));
  if (word == "import" && !call.from.empty()) {
    return exit_for(import_folder(call, *master, places, invocation));
  }
  if (word == "import") return exit_for(import_all(call, *master, places, invocation));
  Work work(call, invocation, std::move(*master));
  const auto kind = kind_of(word);
  return kind ? work.entry(*kind) : work.domain();
}

}  // namespace moat
