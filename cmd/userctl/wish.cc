#include "cmd/userctl/wish.h"

#include <algorithm>
#include <array>

#include "libcommon/base/text.h"
#include "libcommon/directory/address.h"

namespace moat {
namespace {

constexpr std::array<std::string_view, 3> recipients_words{"known", "any", "ask"};

Status refuse(std::string_view option, std::string_view takes) {
  return permanent_error("--" + std::string(option) + " " + std::string(takes));
}

bool is_plain_path(std::string_view path) {
  return path.starts_with('/') && path.size() <= max_path &&
         std::all_of(path.begin(), path.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= ' '; });
}

// HOST, HOST:PORT, [ADDRESS]:PORT or unix:PATH.
bool is_route(std::string_view route) {
  if (route.starts_with("unix:")) return is_plain_path(route.substr(5));
  const auto colon = route.rfind(':');
  std::string_view host = route;
  if (colon != std::string_view::npos && !route.ends_with(']')) {
    if (!parse_number(route.substr(colon + 1), 1, 65535)) return false;
    host = route.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) {
    return IpAddress::parse(host.substr(1, host.size() - 2)).has_value();
  }
  return is_domain_name(host);
}

std::string quoted(std::string_view word) {
  const auto plain = [](char c) {
    return c > ' ' && c != '\'' && c != '"' && c != '\\' && c != '#' && c != 127;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), [&](char c) {
        return plain(c) || static_cast<unsigned char>(c) > 127;
      })) {
    return std::string(word);
  }
  std::string text = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

void add_option(std::string &line, std::string_view word, std::string_view value) {
  line.append(" --").append(word).append(" ").append(quoted(value));
}

Status set_owner(DirectoryEntry &entry, std::string_view text) {
  entry.owned = !text.empty();
  entry.uid = 0;
  entry.gid = 0;
  if (text.empty()) return done;
  std::string_view rest = text;
  const auto uid = parse_number(take_until(rest, ':'), 1, UINT32_MAX - 1);
  const auto gid = parse_number(rest, 1, UINT32_MAX - 1);
  if (!uid || !gid) return refuse("owner", "takes UID:GID, numbers above 0");
  entry.uid = static_cast<uid_t>(*uid);
  entry.gid = static_cast<gid_t>(*gid);
  return done;
}

Status set_members(DirectoryEntry &entry, const std::optional<std::string> &members) {
  if (!members) return done;
  if (!is_plain_path(*members)) return refuse("members", "takes an absolute path");
  entry.targets = {*members};
  return done;
}

}  // namespace

std::string_view word_of(EntryKind kind) {
  switch (kind) {
    case EntryKind::account: return "user";
    case EntryKind::alias: return "alias";
    case EntryKind::list: return "list";
  }
  return "user";
}

std::string default_maildir(const Places &places, std::string_view address) {
  const auto parts = parse_address(address);
  if (!parts) return "";
  return places.mail + "/" + parts->domain + "/" + folder_name(parts->local);
}

Result<Domain> new_domain(std::string_view name, const Places &places) {
  if (!is_domain_name(name)) {
    return permanent_error("not a domain name: " + std::string(name));
  }
  Domain domain;
  domain.name = to_lower(name);
  domain.postmaster = places.mail + "/" + domain.name + "/postmaster";
  return domain;
}

Result<DirectoryEntry> new_entry(EntryKind kind, std::string_view address,
                                 const Places &places) {
  const auto parts = parse_address(address);
  if (!parts) return permanent_error("not an address: " + std::string(address));
  DirectoryEntry entry;
  entry.kind = kind;
  entry.address = parts->text();
  if (kind == EntryKind::account) entry.maildir = default_maildir(places, entry.address);
  return entry;
}

Status set_targets(DirectoryEntry &entry, const std::vector<std::string> &targets) {
  if (targets.empty()) return permanent_error("an alias takes one TARGET or more");
  if (targets.size() > max_targets) return permanent_error("too many targets");
  entry.targets.clear();
  for (const std::string &target : targets) {
    const auto address = parse_address(target);
    if (!address) return permanent_error("not an address: " + target);
    // Another server may tell upper case from lower: only the domain is ours.
    const auto at = target.rfind('@');
    entry.targets.push_back(target.substr(0, at + 1) + address->domain);
  }
  return done;
}

Status apply(const Wish &wish, const Places &, Domain &domain) {
  if (wish.maildir || wish.owner || wish.members || wish.trap || wish.greylist) {
    return permanent_error("a domain takes --route, --recipients and --catch-all alone");
  }
  if (wish.recipients) {
    const auto *const found = std::find(recipients_words.begin(), recipients_words.end(),
                                        std::string_view(*wish.recipients));
    if (found == recipients_words.end()) {
      return refuse("recipients", "takes known, any, ask");
    }
    domain.recipients = static_cast<Recipients>(found - recipients_words.begin());
  }
  if (wish.route) {
    if (!wish.route->empty() && !is_route(*wish.route)) {
      return refuse("route",
                    "takes HOST, HOST:PORT or unix:PATH, not \"" + *wish.route + "\"");
    }
    domain.route = *wish.route;
  }
  if (wish.catch_all) {
    const auto address = parse_address(*wish.catch_all);
    if (!wish.catch_all->empty() && !address)
      return refuse("catch-all", "takes an address");
    domain.catch_all = address ? address->text() : "";
  }
  if (domain.recipients != Recipients::known && domain.route.empty()) {
    return permanent_error("--recipients any and ask need a --route");
  }
  return done;
}

Status apply(const Wish &wish, const Places &places, DirectoryEntry &entry) {
  if (wish.route || wish.recipients || wish.catch_all) {
    return permanent_error("--route, --recipients and --catch-all are a domain's");
  }
  const bool account = entry.kind == EntryKind::account;
  if (!account && (wish.maildir || wish.owner)) {
    return permanent_error("--maildir and --owner are a user's");
  }
  if (entry.kind != EntryKind::list && wish.members) {
    return permanent_error("--members is a list's");
  }
  if (wish.maildir) {
    if (!wish.maildir->empty() && !is_plain_path(*wish.maildir)) {
      return refuse("maildir", "takes an absolute path");
    }
    entry.maildir =
        wish.maildir->empty() ? default_maildir(places, entry.address) : *wish.maildir;
  }
  if (wish.trap) entry.trap = *wish.trap;
  if (wish.greylist) entry.greylist = *wish.greylist;
  auto members = set_members(entry, wish.members);
  if (!members) return members;
  if (entry.kind == EntryKind::list && entry.targets.empty()) {
    return permanent_error("a list needs --members FILE");
  }
  return wish.owner ? set_owner(entry, *wish.owner) : done;
}

std::string export_line(const Domain &domain, const Places &) {
  std::string line = "domain " + quoted(domain.name);
  if (domain.recipients != Recipients::known) {
    add_option(line, "recipients",
               recipients_words.at(static_cast<std::size_t>(domain.recipients)));
  }
  if (!domain.route.empty()) add_option(line, "route", domain.route);
  if (!domain.catch_all.empty()) add_option(line, "catch-all", domain.catch_all);
  return line;
}

std::string export_line(const DirectoryEntry &entry, const Places &places) {
  std::string line(word_of(entry.kind));
  line.append(" ").append(quoted(entry.address));
  if (entry.kind == EntryKind::alias) {
    for (const std::string &target : entry.targets)
      line.append(" ").append(quoted(target));
  }
  if (entry.kind == EntryKind::list && !entry.targets.empty()) {
    add_option(line, "members", entry.targets[0]);
  }
  if (entry.kind == EntryKind::account &&
      entry.maildir != default_maildir(places, entry.address)) {
    add_option(line, "maildir", entry.maildir);
  }
  if (entry.owned) {
    add_option(line, "owner",
               std::to_string(entry.uid) + ":" + std::to_string(entry.gid));
  }
  if (entry.trap) line += " --trap";
  if (!entry.greylist) line += " --greylist off";
  return line;
}

}  // namespace moat
