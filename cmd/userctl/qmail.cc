#include "cmd/userctl/qmail.h"

#include <algorithm>

#include "libcommon/base/text.h"
#include "libcommon/directory/address.h"

namespace moat {
namespace {

Error wrong(std::string_view file, std::size_t line, std::string_view what) {
  return permanent_error(std::string(file) + ": line " + std::to_string(line) + ": " +
                         std::string(what));
}

// Calls with each line that is not empty and no comment, and its number.
template <typename Take>
Status each_line(const QmailTexts &texts, std::string_view name, Take take) {
  const auto found = texts.find(name);
  if (found == texts.end()) return done;
  std::string_view rest = found->second;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = trim(take_line(rest));
    if (line.empty() || line.starts_with('#')) continue;
    const auto taken = take(line);
    if (!taken) return wrong(name, number, taken.error().what);
  }
  return done;
}

Status add_domain_name(std::set<std::string> &to, std::string_view text, bool suffixes) {
  const bool suffix = suffixes && text.starts_with('.');
  if (!is_domain_name(text.substr(suffix ? 1 : 0))) {
    return permanent_error("not a domain name: " + std::string(text));
  }
  to.insert(to_lower(text));
  return done;
}

// The first line of a file that holds one.
Result<std::string> one_domain(const QmailTexts &texts, std::string_view name) {
  std::string found;
  const auto read = each_line(texts, name, [&](std::string_view line) -> Status {
    if (!found.empty()) return done;
    if (!is_domain_name(line)) {
      return permanent_error("not a domain name: " + std::string(line));
    }
    found = to_lower(line);
    return done;
  });
  if (!read) return read.error();
  return found;
}

Status take_virtual(std::string_view line, QmailControl &control) {
  std::string_view rest = line;
  const std::string key = to_lower(take_until(rest, ':'));
  if (key.size() == line.size()) return permanent_error("takes DOMAIN:PREPEND");
  const auto at = key.rfind('@');
  std::string_view domain = key;
  if (at != std::string::npos) domain.remove_prefix(at + 1);
  if (at == std::string::npos && domain.starts_with('.')) domain.remove_prefix(1);
  if (!key.empty() && !is_domain_name(domain)) {
    return permanent_error("not a domain name: " + std::string(domain));
  }
  control.virtuals.emplace(key, to_lower(rest));
  return done;
}

Status take_route(std::string_view line, QmailControl &control) {
  std::string_view rest = line;
  const std::string host = to_lower(take_until(rest, ':'));
  if (host.size() == line.size()) return permanent_error("takes DOMAIN:RELAY");
  if (!rest.empty()) {  // an empty one means: by MX
    Domain tried;
    tried.name = "x";
    Wish wish;
    wish.route = rest;
    const auto good = apply(wish, Places{}, tried);
    if (!good) return good;
  }
  control.routes.emplace(host, rest);
  return done;
}

Status take_assignment(std::string_view line, std::size_t number, QmailControl &control) {
  constexpr std::string_view form =
      "takes =LOCAL or +BEGINNING, then :USER:UID:GID:HOME:DASH:EXT:";
  if (std::count(line.begin(), line.end(), ':') < 7)
    return permanent_error(std::string(form));
  QmailUser user;
  user.line = number;
  std::string_view rest = line;
  const std::string_view key = take_until(rest, ':');
  user.wildcard = key.starts_with('+');
  if (key.empty() || (!user.wildcard && (key[0] != '=' || key.size() == 1))) {
    return permanent_error(std::string(form));
  }
  user.name = to_lower(key.substr(1));
  take_until(rest, ':');
  const auto uid = parse_number(take_until(rest, ':'), 0, UINT32_MAX - 1);
  const auto gid = parse_number(take_until(rest, ':'), 0, UINT32_MAX - 1);
  if (!uid || !gid) return permanent_error("UID and GID are numbers");
  user.uid = static_cast<uid_t>(*uid);
  user.gid = static_cast<gid_t>(*gid);
  user.home = take_until(rest, ':');
  if (!user.home.starts_with('/')) return permanent_error("HOME is an absolute path");
  user.dash = take_until(rest, ':');
  user.ext = take_until(rest, ':');
  if ((user.dash + user.ext).find('/') != std::string::npos) {
    return permanent_error("DASH and EXT have no slash");
  }
  auto &to = user.wildcard ? control.wildcards : control.exact;
  to.emplace(user.name, std::move(user));  // of two lines qmail takes the first
  return done;
}

// Blanks and '#' mean nothing here, and the last line is a dot.
Status take_assignments(const QmailTexts &texts, QmailControl &control) {
  constexpr std::string_view name = "users/assign";
  const auto found = texts.find(name);
  if (found == texts.end()) return done;
  std::string_view rest = found->second;
  std::size_t number = 1;
  for (; !rest.empty(); ++number) {
    const std::string_view line = take_line(rest);
    if (line.starts_with('.')) return done;
    if (line.find('\0') != std::string_view::npos)
      return wrong(name, number, "has a NUL");
    const auto taken = take_assignment(line, number, control);
    if (!taken) return wrong(name, number, taken.error().what);
  }
  return wrong(name, number, "the line with a dot that ends it is missing");
}

}  // namespace

std::string QmailUser::file() const {
  std::string safe = to_lower(ext);
  std::replace(safe.begin(), safe.end(), '.', ':');
  return home + "/.qmail" + dash + safe;
}

QmailUser QmailControl::user_of(std::string_view local) const {
  const std::string name = to_lower(local);
  if (const auto found = exact.find(name); found != exact.end()) return found->second;
  for (std::size_t length = name.size();; --length) {
    const auto found = wildcards.find(name.substr(0, length));
    if (found != wildcards.end()) {
      QmailUser user = found->second;
      user.ext += name.substr(length);
      return user;
    }
    if (length == 0) return {};
  }
}

Result<QmailControl> parse_qmail(const QmailTexts &texts, QmailUser alias) {
  QmailControl control;
  const auto me = one_domain(texts, "control/me");
  if (!me) return me.error();
  const auto host = one_domain(texts, "control/envnoathost");
  if (!host) return host.error();
  control.host = !host->empty() ? *host : me->empty() ? "envnoathost" : *me;
  const auto names = [&](std::string_view file, std::set<std::string> &to,
                         bool suffixes) {
    return each_line(texts, file, [&to, suffixes](std::string_view line) {
      return add_domain_name(to, line, suffixes);
    });
  };
  Status status = names("control/locals", control.locals, false);
  if (!texts.contains("control/locals") && !me->empty()) control.locals.insert(*me);
  if (status) status = names("control/rcpthosts", control.relayed, true);
  if (status) status = names("control/morercpthosts", control.relayed, true);
  if (status) {
    status = each_line(texts, "control/virtualdomains", [&](std::string_view line) {
      return take_virtual(line, control);
    });
  }
  if (status) {
    status = each_line(texts, "control/smtproutes",
                       [&](std::string_view line) { return take_route(line, control); });
  }
  if (status) status = take_assignments(texts, control);
  if (!status) return status.error();
  alias.wildcard = true;
  control.wildcards.emplace("", std::move(alias));
  const auto delivery = texts.find("control/defaultdelivery");
  control.default_delivery = delivery == texts.end() ? "./Maildir/\n" : delivery->second;
  return control;
}

}  // namespace moat
