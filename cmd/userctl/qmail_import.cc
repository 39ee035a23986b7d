#include <algorithm>
#include <utility>

#include "cmd/userctl/qmail.h"
#include "libcommon/base/text.h"
#include "libcommon/directory/address.h"

namespace moat {
namespace {

std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

// Where the mail of an address goes.
struct Destination {
  QmailUser user;
  std::string maildir;  // of an account; else it is an alias
  std::vector<std::string> targets;
};

class Importer {
 public:
  Importer(const QmailControl &control, const QmailTexts &dots, const Places &places,
           std::vector<LeftOut> &left_out)
      : control_(control), dots_(dots), places_(places), left_out_(left_out) {}

  Result<ImportText> run();

 private:
  void find_names();
  void add_name(const std::string &name, const QmailUser &user);
  void read_dot(const std::string &file, std::string_view text, Destination &to);
  void take_instruction(const std::string &file, std::size_t number,
                        std::string_view line, Destination &to);
  bool add_default(Domain &domain, const std::string &local, const std::string &name);
  void add_address(Domain &domain, const std::string &local, const std::string &name);
  Status add_local(const std::string &domain);
  Status add_virtual(const std::string &domain, const std::string &prepend);
  void add_relayed(const std::string &domain);
  bool is_virtual(const std::string &domain) const;
  std::string route_of(std::string_view domain) const;
  void leave_out(std::string file, std::size_t line, std::string reason) {
    left_out_.push_back({std::move(file), line, std::move(reason)});
  }

  const QmailControl &control_;
  const QmailTexts &dots_;
  const Places &places_;
  std::vector<LeftOut> &left_out_;
  std::map<std::string, Destination> names_;  // by what qmail calls the local part
  ImportText text_;
};

void Importer::take_instruction(const std::string &file, std::size_t number,
                                std::string_view line, Destination &to) {
  switch (line[0]) {
    case '#':
    case '+': return;
    case '|': return leave_out(file, number, "a program is not run here");
    case '.':
    case '/':
      if (!line.ends_with('/')) {
        return leave_out(file, number, "mail goes to Maildirs, not to one file");
      }
      if (!to.maildir.empty()) return leave_out(file, number, "a second Maildir");
      if (line[0] == '/') {
        to.maildir = without_slashes(std::string(line));
      } else {
        line.remove_prefix(line.starts_with("./") ? 2 : 0);
        to.maildir = without_slashes(to.user.home + "/" + std::string(line));
      }
      return;
    default: break;
  }
  std::string target(line.substr(line[0] == '&' ? 1 : 0));
  if (target.find('@') == std::string::npos) target += "@" + control_.host;
  if (!parse_address(target)) return leave_out(file, number, "not an address");
  to.targets.push_back(std::move(target));
}

void Importer::read_dot(const std::string &file, std::string_view text, Destination &to) {
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    std::string_view line = take_line(text);
    while (line.ends_with(' ') || line.ends_with('\t')) line.remove_suffix(1);
    if (!line.empty()) take_instruction(file, number, line, to);
  }
  if (to.maildir.empty() || to.targets.empty()) return;
  leave_out(file, 0, "has a Maildir, and so its addresses get no copies");
  to.targets.clear();
}

void Importer::add_name(const std::string &name, const QmailUser &user) {
  if (names_.contains(name)) return;
  const std::string source = user.line > 0 ? "users/assign" : user.file();
  if (user.line > 0 && (user.uid == 0 || user.gid == 0)) {
    return leave_out(source, user.line, "nothing is delivered as root");
  }
  Destination to{user, {}, {}};
  const std::string file = user.file();
  const auto dot = dots_.find(file);
  if (dot == dots_.end() && !user.dash.empty()) {
    return leave_out(source, user.line, "there is no " + file);
  }
  if (dot == dots_.end() || dot->second.empty()) {
    read_dot("control/defaultdelivery", control_.default_delivery, to);
  } else {
    read_dot(file, dot->second, to);
  }
  if (to.maildir.empty() && to.targets.empty()) {
    return leave_out(file, 0, "no Maildir and no address is left in it");
  }
  names_.emplace(name, std::move(to));
}

// A wildcard says nothing of who is there; the files of its home do.
void Importer::find_names() {
  for (const auto &[name, user] : control_.exact) add_name(name, user);
  for (const auto &[beginning, wildcard] : control_.wildcards) {
    const std::string prefix = wildcard.file();
    for (auto dot = dots_.lower_bound(prefix);
         dot != dots_.end() && dot->first.starts_with(prefix); ++dot) {
      std::string name = beginning + dot->first.substr(prefix.size());
      std::replace(name.begin(), name.end(), ':', '.');
      const QmailUser user = control_.user_of(name);
      // Somebody else may control that name, and it may be no file of qmail's.
      if (!name.empty() && user.wildcard && user.file() == dot->first) {
        add_name(name, user);
      }
    }
  }
}

// Whether this is the file of all that have none.
bool Importer::add_default(Domain &domain, const std::string &local,
                           const std::string &name) {
  if (local == "default") {
    domain.catch_all = "default@" + domain.name;
    return false;
  }
  if (!local.ends_with("-default")) return false;
  const std::string beginning = name.substr(0, name.size() - 8);
  const bool used =
      std::any_of(control_.virtuals.begin(), control_.virtuals.end(),
                  [&](const auto &known) { return known.second == beginning; });
  if (!used) {
    leave_out(names_.at(name).user.file(), 0,
              "only a whole domain has a default: " + local + "@" + domain.name);
  }
  return true;
}

void Importer::add_address(Domain &domain, const std::string &local,
                           const std::string &name) {
  const Destination &to = names_.at(name);
  if (to.user.wildcard && add_default(domain, local, name)) return;
  const auto address = make_address(local, domain.name);
  const auto refuse = [&](const std::string &why) {
    if (domain.catch_all == "default@" + domain.name && local == "default") {
      domain.catch_all.clear();
    }
    leave_out(to.user.line > 0 ? "users/assign" : to.user.file(), to.user.line, why);
  };
  if (!address) return refuse("not an address: " + local + "@" + domain.name);
  const bool account = !to.maildir.empty();
  auto entry = new_entry(account ? EntryKind::account : EntryKind::alias, address->text(),
                         places_);
  if (!entry) return refuse(entry.error().what);
  Status status = done;
  if (account) {
    Wish wish;
    wish.maildir = to.maildir;
    // The alias user of a copy may be nobody's: then it is virtual mail.
    if (to.user.uid > 0 && to.user.gid > 0) {
      wish.owner = std::to_string(to.user.uid) + ":" + std::to_string(to.user.gid);
    }
    status = apply(wish, places_, *entry);
  } else {
    status = set_targets(*entry, to.targets);
  }
  if (!status) return refuse(status.error().what);
  text_.entries.push_back(std::move(*entry));
}

Status Importer::add_local(const std::string &name) {
  auto domain = new_domain(name, places_);
  if (!domain) return domain.error();
  for (const auto &[local, destination] : names_) add_address(*domain, local, local);
  text_.domains.push_back(std::move(*domain));
  return done;
}

Status Importer::add_virtual(const std::string &name, const std::string &prepend) {
  auto domain = new_domain(name, places_);
  if (!domain) return domain.error();
  std::map<std::string, std::string> named;  // local parts here, and qmail's names
  const std::string prefix = prepend + "-";
  for (auto found = names_.lower_bound(prefix);
       found != names_.end() && found->first.starts_with(prefix); ++found) {
    if (found->first.size() == prefix.size()) continue;
    named.emplace(found->first.substr(prefix.size()), found->first);
  }
  for (const auto &[key, own] : control_.virtuals) {
    const auto at = key.rfind('@');
    if (at == std::string::npos || key.substr(at + 1) != name) continue;
    const std::string local = key.substr(0, at);
    named.erase(local);
    if (names_.contains(own + "-" + local)) {
      named.emplace(local, own + "-" + local);
    } else {
      leave_out("control/virtualdomains", 0, "nobody is there for " + key);
    }
  }
  for (const auto &[local, full] : named) add_address(*domain, local, full);
  text_.domains.push_back(std::move(*domain));
  return done;
}

// An empty prepend is an exception from a wider line: not local.
bool Importer::is_virtual(const std::string &domain) const {
  const auto found = control_.virtuals.find(domain);
  return found != control_.virtuals.end() && !found->second.empty();
}

// As qmail-remote looks it up: the domain, then what follows each dot.
std::string Importer::route_of(std::string_view domain) const {
  for (std::size_t i = 0; i <= domain.size(); ++i) {
    if (i > 0 && i < domain.size() && domain[i] != '.') continue;
    const auto found = control_.routes.find(std::string(domain.substr(i)));
    if (found != control_.routes.end()) return found->second;
  }
  return "";
}

void Importer::add_relayed(const std::string &name) {
  if (name.starts_with('.')) {
    return leave_out("control/rcpthosts", 0, "stands for no one domain: " + name);
  }
  Wish wish;
  wish.route = route_of(name);
  wish.recipients = "any";
  auto domain = new_domain(name, places_);
  if (wish.route->empty()) {
    return leave_out("control/rcpthosts", 0,
                     "has no route in control/smtproutes: " + name);
  }
  const auto applied = domain ? apply(wish, places_, *domain) : Status(domain.error());
  if (!applied) return leave_out("control/rcpthosts", 0, applied.error().what);
  text_.domains.push_back(std::move(*domain));
}

Result<ImportText> Importer::run() {
  constexpr std::size_t max_entries = 20'000'000;
  find_names();
  Status status = done;
  for (const std::string &name : control_.locals) {
    if (status) status = add_local(name);
    if (text_.entries.size() > max_entries) return permanent_error("too many entries");
  }
  for (const auto &[key, prepend] : control_.virtuals) {
    const auto at = key.rfind('@');
    const std::string domain = at == std::string::npos ? key : key.substr(at + 1);
    if (control_.locals.contains(domain) || prepend.empty()) continue;
    if (key.empty() || key[0] == '.' || !is_virtual(domain)) {
      leave_out("control/virtualdomains", 0, "stands for no one domain: " + key);
    } else if (domain == key && status) {
      status = add_virtual(key, prepend);
    }
    if (text_.entries.size() > max_entries) return permanent_error("too many entries");
  }
  for (const std::string &name : control_.relayed) {
    if (!is_virtual(name) && !control_.locals.contains(name)) add_relayed(name);
  }
  if (!status) return status.error();
  return std::move(text_);
}

}  // namespace

Result<ImportText> import_of_qmail(const QmailControl &control, const QmailTexts &dots,
                                   const Places &places, std::vector<LeftOut> &left_out) {
  return Importer(control, dots, places, left_out).run();
}

}  // namespace moat
