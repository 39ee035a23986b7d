#include "libcommon/base/environment.h"

#include <algorithm>

namespace moat {

Environment Environment::from(const char *const *envp) {
  Environment environment;
  for (; envp != nullptr && *envp != nullptr; ++envp) {
    const std::string_view entry(*envp);
    const auto equals = entry.find('=');
    if (equals == std::string_view::npos) continue;
    environment.values_.try_emplace(std::string(entry.substr(0, equals)),
                                    entry.substr(equals + 1));
  }
  return environment;
}

std::optional<std::string_view> Environment::get(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

std::string_view Environment::get_or(std::string_view name,
                                     std::string_view fallback) const {
  const auto value = get(name);
  return value && !value->empty() ? *value : fallback;
}

std::optional<std::string_view> Environment::ucspi(std::string_view suffix) const {
  const auto own = get(std::string(get_or("PROTO", "TCP")).append(suffix));
  return own ? own : get(std::string("TCP").append(suffix));
}

void Environment::set(std::string_view name, std::string_view value) {
  const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
  std::string clean(value);
  std::replace_if(clean.begin(), clean.end(), is_control, '?');
  values_.insert_or_assign(std::string(name), std::move(clean));
}

void Environment::set_verbatim(std::string_view name, std::string_view value) {
  values_.insert_or_assign(std::string(name),
                           std::string(value.substr(0, value.find('\0'))));
}

void Environment::unset(std::string_view name) {
  const auto found = values_.find(name);
  if (found != values_.end()) values_.erase(found);
}

void Environment::unset_prefix(std::string_view prefix) {
  auto place = values_.lower_bound(prefix);
  while (place != values_.end() && place->first.starts_with(prefix)) {
    place = values_.erase(place);
  }
}

void Environment::each(
    std::string_view prefix,
    const std::function<void(std::string_view, std::string_view)> &call) const {
  for (auto place = values_.lower_bound(prefix);
       place != values_.end() && place->first.starts_with(prefix); ++place) {
    call(place->first, place->second);
  }
}

std::vector<std::string> Environment::strings() const {
  std::vector<std::string> result;
  result.reserve(values_.size());
  for (const auto &[name, value] : values_) result.push_back(name + "=" + value);
  return result;
}

}  // namespace moat
