// Result<T>: a value, or the reason there is none.

#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace moat {

// What a caller may have to tell apart; most need not.
enum class Cause {
  other,
  full,     // no room: disk, quota, inodes, or the ceiling of a file
  busy,     // somebody else held a lock for too long
  missing,  // the file is not there
  damaged,  // the file is there, and what it holds cannot be trusted
  newer,    // a newer version wrote it
};

struct Error {
  bool temporary;    // true when the same call may succeed later
  std::string what;  // for the log: one line, lower case, no full stop
  Cause cause = Cause::other;
};

// Returns the error for the system call that has just set errno, reading
// "WHAT: No such file or directory". It is always temporary: what the system
// refuses today it may grant tomorrow, and no mail should bounce meanwhile. The
// cause is full or missing where errno says so.
Error system_error(std::string_view what);

// Returns the error of a text that is wrong, and stays wrong.
inline Error permanent_error(std::string what) { return {false, std::move(what)}; }

// Returns the error of something that may come right.
inline Error temporary_error(std::string what) { return {true, std::move(what)}; }

// Holds a T or an Error. The members are those of std::expected that we use,
// so that class can take over once every compiler and linter we need has it.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // Require has_value().
  const T &operator*() const & { return std::get<0>(state_); }
  T &operator*() & { return std::get<0>(state_); }
  T &&operator*() && { return std::get<0>(std::move(state_)); }
  const T *operator->() const { return &std::get<0>(state_); }
  T *operator->() { return &std::get<0>(state_); }

  // Requires !has_value().
  const Error &error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

// What a function returns that yields nothing but may fail: `return done;`.
struct Done {};
inline constexpr Done done{};
using Status = Result<Done>;

}  // namespace moat
