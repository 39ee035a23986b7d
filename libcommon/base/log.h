// The log: one line an event, of name=value pairs (interfaces.md, section 6).

#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace moat {

// One pair of a line. A value with blanks, quotes or control octets is quoted
// and escaped where it leaves, so a client cannot forge a line.
struct Field {
  Field(std::string_view name_, std::string_view value_) : name(name_), value(value_) {}
  Field(std::string_view name_, const char *value_) : name(name_), value(value_) {}
  Field(std::string_view name_, const std::string &value_) : name(name_), value(value_) {}
  template <typename Number>
    requires std::is_integral_v<Number>
  Field(std::string_view name_, Number number)
      : name(name_), value(std::to_string(number)) {}

  std::string_view name;  // a literal
  std::string value;
};

// Returns the pair as a line of the log has it: name=value or name="v \"a\"".
// At most 1,000 octets of the value are kept.
std::string field_text(const Field &field);

class Log {
 public:
  enum class Sink { standard_error, syslog, none };

  explicit Log(std::string name = "moat", Sink sink = Sink::standard_error)
      : name_(std::move(name)), sink_(sink) {}

  // The program's name heads each line; a chain changes it as it goes on.
  void set_name(std::string_view name) { name_ = name; }
  const std::string &name() const { return name_; }
  void set_sink(Sink sink) { sink_ = sink; }
  void set_verbose(bool verbose) { verbose_ = verbose; }
  bool verbose() const { return verbose_; }

  // Puts these before the fields of every event from now on: session and ip.
  void set_context(std::initializer_list<Field> fields);

  // Writes "NAME: CONTEXT event=EVENT FIELDS" in a single write(2), so that
  // programs that share a log do not tear each other's lines. What does not fit
  // in 8 KiB is dropped. Failure is silent: there is nobody left to tell.
  void event(std::string_view event, std::initializer_list<Field> fields = {}) const;

  // The same, only under --verbose.
  void detail(std::string_view event, std::initializer_list<Field> fields = {}) const;

  // Writes "NAME: TEXT": what a person at a terminal should read, and the lines
  // whose form other software fixed. Control octets become '?'.
  void say(std::string_view text) const;

  // Writes "NAME: fatal: TEXT".
  void fatal(std::string_view text) const;

  // Writes one whole line as it is but for control octets; for lines that do
  // not begin with our name (tcpserver: status: 1/40).
  void foreign(std::string_view line) const;

 private:
  std::string name_;
  std::string context_;
  Sink sink_;
  bool verbose_ = false;
};

}  // namespace moat
