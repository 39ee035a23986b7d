#include "cmd/send/expand.h"

#include <set>

#include "libcommon/base/text.h"

namespace moat {
namespace {

constexpr std::size_t max_address = 1000;  // octets

bool is_list_or_alias(const Recipient &recipient) {
  return recipient.kind == RecipientKind::alias || recipient.kind == RecipientKind::list;
}

class Walk {
 public:
  explicit Walk(const Lookups &lookups) : lookups_(lookups) {}

  Status enter(const Recipient &recipient, std::string_view address,
               const std::string &sender, std::size_t group);
  Result<Expansion> result(std::size_t group);
  std::size_t new_group(std::string sender);

 private:
  Status add(const std::string &address, std::size_t group);
  Status enter_list(const Recipient &recipient, const std::string &text,
                    const std::string &sender);
  std::string owner_of(const Recipient &list, const std::string &sender) const;

  const Lookups &lookups_;
  std::set<std::string> seen_;
  std::vector<ExpandedGroup> groups_;
  std::size_t bad_lines_ = 0;
  unsigned depth_ = 0;
};

std::size_t Walk::new_group(std::string sender) {
  groups_.push_back({std::move(sender), {}});
  return groups_.size() - 1;
}

Status Walk::enter(const Recipient &recipient, std::string_view address,
                   const std::string &sender, std::size_t group) {
  seen_.insert(same_address(address));
  if (++depth_ > max_nesting) return temporary_error("aliases lie too deep");
  if (recipient.kind == RecipientKind::alias) {
    for (const std::string &target : recipient.targets) {
      if (auto added = add(target, group); !added) return added;
    }
  } else {
    const auto text = recipient.targets.empty()
                          ? Result<std::string>(temporary_error("list without a file"))
                          : lookups_.read(recipient.targets[0]);
    if (text) {
      if (auto entered = enter_list(recipient, *text, sender); !entered) return entered;
    } else if (depth_ == 1) {
      return temporary_error(text.error().what);
    } else {
      groups_[group].recipients.emplace_back(address);
    }
  }
  --depth_;
  return done;
}

Status Walk::enter_list(const Recipient &recipient, const std::string &text,
                        const std::string &sender) {
  const Members members = parse_members(text);
  bad_lines_ += members.bad_lines;
  const std::size_t own = new_group(owner_of(recipient, sender));
  for (const std::string &member : members.addresses) {
    if (auto added = add(member, own); !added) return added;
  }
  return done;
}

Status Walk::add(const std::string &address, std::size_t group) {
  if (!seen_.insert(same_address(address)).second) return done;
  if (seen_.size() > max_expansion)
    return temporary_error("expands to too many addresses");
  const auto recipient = lookups_.find(address);
  if (!recipient) return temporary_error(recipient.error().what);
  if (is_list_or_alias(*recipient)) {
    const std::string sender = groups_[group].sender;
    return enter(*recipient, address, sender, group);
  }
  groups_[group].recipients.push_back(address);
  return done;
}

std::string Walk::owner_of(const Recipient &list, const std::string &sender) const {
  const auto at = list.address.rfind('@');
  if (sender.empty() || at == std::string::npos) return sender;
  const std::string owner =
      list.address.substr(0, at) + "-owner" + list.address.substr(at);
  const auto found = lookups_.find(owner);
  const bool is_there = found && found->kind != RecipientKind::unknown &&
                        found->kind != RecipientKind::foreign &&
                        equal_nocase(found->address, owner);
  return is_there ? owner : sender;
}

Result<Expansion> Walk::result(std::size_t group) {
  Expansion expansion;
  expansion.bad_lines = bad_lines_;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    if (i == group) {
      expansion.recipients = std::move(groups_[i].recipients);
    } else if (!groups_[i].recipients.empty()) {
      expansion.lists.push_back(std::move(groups_[i]));
    }
  }
  return expansion;
}

}  // namespace

Members parse_members(std::string_view text) {
  Members members;
  while (!text.empty()) {
    std::string_view line = trim(take_line(text));
    if (line.empty() || line.starts_with('#')) continue;
    if (line.starts_with('&')) line.remove_prefix(1);
    if (line.starts_with('<') && line.ends_with('>')) {
      line = line.substr(1, line.size() - 2);
    }
    const auto at = line.rfind('@');
    const bool good = at != std::string_view::npos && at > 0 && at + 1 < line.size() &&
                      line.size() <= max_address &&
                      line.find('\0') == std::string_view::npos;
    if (good) {
      members.addresses.emplace_back(line);
    } else {
      ++members.bad_lines;
    }
  }
  return members;
}

std::string same_address(std::string_view address) {
  const auto at = address.rfind('@');
  if (at == std::string_view::npos) return std::string(address);
  return std::string(address.substr(0, at)) + to_lower(address.substr(at));
}

Result<Expansion> expand(const Recipient &recipient, std::string_view address,
                         std::string_view sender, const Lookups &lookups) {
  Walk walk(lookups);
  const std::size_t group = walk.new_group(std::string(sender));
  const auto entered = walk.enter(recipient, address, std::string(sender), group);
  if (!entered) return entered.error();
  auto expansion = walk.result(group);
  if (recipient.kind == RecipientKind::alias && expansion->recipients.empty() &&
      expansion->lists.empty()) {
    return permanent_error("the alias leads to nobody but itself");
  }
  return expansion;
}

}  // namespace moat
