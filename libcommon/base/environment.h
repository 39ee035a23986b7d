// The environment: how the programs of a chain tell each other what they know.

#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moat {

// The variables of one process, as a value. Nothing else reads or sets the
// process's own; the shared main takes it in at start and hands it on.
class Environment {
 public:
  Environment() = default;

  // Copies "NAME=value" strings. Of a name that comes twice the first counts,
  // as with getenv(3); a string without '=' is dropped.
  static Environment from(const char *const *envp);

  // Returns the value, or nullopt when unset; an empty value is a value. The
  // view lives until the variable is next changed.
  std::optional<std::string_view> get(std::string_view name) const;

  // Returns the value, or `fallback` when unset or empty.
  std::string_view get_or(std::string_view name, std::string_view fallback) const;

  // Returns $PROTO`suffix` and, when that is unset, TCP`suffix`: for "REMOTEIP"
  // the client's address under any UCSPI server.
  std::optional<std::string_view> ucspi(std::string_view suffix) const;

  // Sets a variable. Control octets in the value become '?', lest a name taken
  // from DNS put a line of its own into a log or a header field.
  void set(std::string_view name, std::string_view value);

  // Sets a variable to octets that the administrator wrote, as they are but for
  // what follows a NUL.
  void set_verbatim(std::string_view name, std::string_view value);

  void unset(std::string_view name);
  void unset_prefix(std::string_view prefix);

  // Calls with each name and value whose name begins with `prefix`, in order.
  void each(std::string_view prefix,
            const std::function<void(std::string_view, std::string_view)> &call) const;

  // Returns "NAME=value" strings in the order of the names, for execve(2).
  std::vector<std::string> strings() const;

  friend bool operator==(const Environment &, const Environment &) = default;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace moat
