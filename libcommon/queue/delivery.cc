#include "libcommon/queue/delivery.h"

#include <algorithm>

#include "libcommon/base/text.h"

namespace moat {
namespace {

constexpr std::size_t max_name = 64;

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// A name becomes part of a file's: nothing else may stand in it.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= max_name &&
         std::all_of(text.begin(), text.end(), is_alnum);
}

bool is_safe_path(std::string_view path) {
  if (!path.starts_with('/')) return false;
  while (!path.empty()) {
    if (take_until(path, '/') == "..") return false;
  }
  return true;
}

std::optional<Delivery::Owner> parse_owner(std::string_view text) {
  const auto uid = parse_number(take_until(text, ':'), 0, UINT32_MAX - 1);
  const auto gid = parse_number(text, 0, UINT32_MAX - 1);
  if (!uid || !gid) return std::nullopt;
  return Delivery::Owner{static_cast<uid_t>(*uid), static_cast<gid_t>(*gid)};
}

// Sets one field; false when its value is not as it should be.
bool set_field(Delivery &delivery, std::string_view name, std::string_view value) {
  if (name == "name") {
    delivery.name = value;
    return is_name(value);
  }
  if (name == "sender") {
    delivery.sender = value;
    return true;
  }
  if (name == "recipient") {
    delivery.recipients.emplace_back(value);
    return !value.empty() && delivery.recipients.size() <= max_delivery_recipients;
  }
  if (name == "arrival") {
    const auto seconds = parse_number(value, 0, INT64_MAX);
    delivery.arrival = static_cast<std::int64_t>(seconds.value_or(0));
    return seconds.has_value();
  }
  if (name == "maildir") {
    delivery.maildir = value;
    return is_safe_path(value);
  }
  if (name == "owner") {
    delivery.owner = parse_owner(value);
    return delivery.owner.has_value();
  }
  if (name == "route") {
    delivery.route = value;
    return !value.empty();
  }
  return false;
}

std::optional<Outcome> parse_outcome(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const char letter = text.front();
  text.remove_prefix(1);
  const std::string_view status = take_until(text, ' ');
  if (!is_status(status) || text.size() > max_outcome_text) return std::nullopt;
  switch (letter) {
    case Outcome::delivered: {
      Outcome outcome = Outcome::ok(text);
      outcome.status = status;
      return outcome;
    }
    case Outcome::deferred: return Outcome::defer(status, text);
    case Outcome::failed: return Outcome::fail(status, text);
    default: return std::nullopt;
  }
}

}  // namespace

std::string delivery_text(const Delivery &delivery) {
  std::string text;
  const auto add = [&](std::string_view name, std::string_view value) {
    text.append(name).append("=").append(value).push_back('\0');
  };
  add("name", delivery.name);
  add("sender", delivery.sender);
  for (const std::string &recipient : delivery.recipients) add("recipient", recipient);
  add("arrival", std::to_string(delivery.arrival));
  if (!delivery.maildir.empty()) add("maildir", delivery.maildir);
  if (delivery.owner) {
    add("owner",
        std::to_string(delivery.owner->uid) + ":" + std::to_string(delivery.owner->gid));
  }
  if (!delivery.route.empty()) add("route", delivery.route);
  return text;
}

Result<Delivery> parse_delivery(std::string_view text) {
  Delivery delivery;
  std::vector<std::string_view> seen;
  if (!text.ends_with('\0')) return permanent_error("request is cut short");
  while (!text.empty()) {
    std::string_view value = take_until(text, '\0');
    const std::string_view name = take_until(value, '=');
    const bool twice =
        name != "recipient" && std::find(seen.begin(), seen.end(), name) != seen.end();
    seen.push_back(name);
    if (twice || value.size() > max_delivery_value || !set_field(delivery, name, value)) {
      return permanent_error("bad field in request: " + std::string(name.substr(0, 20)));
    }
  }
  if (delivery.name.empty() || delivery.recipients.empty()) {
    return permanent_error("request lacks a name or a recipient");
  }
  return delivery;
}

std::string outcomes_text(const std::vector<Outcome> &outcomes) {
  std::string text;
  for (const Outcome &outcome : outcomes) {
    text.append(1, outcome.code).append(outcome_line(outcome)).push_back('\0');
  }
  return text;
}

std::optional<std::vector<Outcome>> parse_outcomes(std::string_view text,
                                                   std::size_t count) {
  if (!text.ends_with('\0')) return std::nullopt;
  std::vector<Outcome> outcomes;
  while (!text.empty()) {
    auto outcome = parse_outcome(take_until(text, '\0'));
    if (!outcome || outcomes.size() == count) return std::nullopt;
    outcomes.push_back(std::move(*outcome));
  }
  if (outcomes.size() != count) return std::nullopt;
  return outcomes;
}

}  // namespace moat
