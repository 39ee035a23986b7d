// A program is two functions: one reads its options once, one does its work
// for a connection, message or call and returns what is next.

#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "libcommon/base/environment.h"
#include "libcommon/base/log.h"
#include "libcommon/base/stop.h"
#include "libcommon/cli/options.h"
#include "libcommon/process/confine.h"

namespace moat {

class Invocation;

// What is next when a program has done its work: the end, or another program.
class Next {
 public:
  static Next exit(int code) { return Next(code, {}); }

  // Goes on with the program argv[0]; argv must not be empty.
  static Next go_on(Argv argv) { return Next(0, std::move(argv)); }

  bool is_exit() const { return argv_.empty(); }
  int code() const { return code_; }
  const Argv &argv() const { return argv_; }

 private:
  Next(int code, Argv argv) : code_(code), argv_(std::move(argv)) {}
  int code_;
  Argv argv_;
};

// A program whose options were read: ready for any number of runs.
class Task {
 public:
  Task() = default;
  Task(const Task &) = delete;
  Task &operator=(const Task &) = delete;
  virtual ~Task() = default;

  virtual Next run(Invocation &invocation) const = 0;
  virtual const Common &common() const = 0;

  // Returns the argv of the program behind it in a chain, empty if none.
  virtual const Argv &next() const = 0;

  // Returns what its run needs when it execs nothing; nullopt when it must not
  // be confined. An acceptor confines a chain that is called as a whole.
  virtual std::optional<Confinement> confinement() const = 0;

  // Opens what its runs in children of this process may share, and sees that it
  // is fresh. What cannot be opened is left to the run, which says so.
  virtual void warm(Invocation &invocation) const = 0;
};

// A program's row in the table.
struct Program {
  std::string_view name;     // as installed: "moat-greet"
  std::string_view summary;  // half a line, for the list that `moat` prints
  Prepared<std::unique_ptr<Task>> (*prepare)(const Argv &, const Environment &);
};

// All programs of this executable. An executable of one program has a table of
// one row. Defined by the table that the Makefile generates.
std::span<const Program *const> program_table();

// Returns the row of a word `moat-NAME` without a slash, or nullptr.
const Program *find_program(std::string_view word);

// Makes a row of NAME_prepare(argv, environment) and NAME_run(value,
// invocation). The value is a struct with a member `Common common`, in a chain
// program `Argv next`, and where they apply member functions
// `std::optional<Confinement> confinement() const` and
// `void warm(Invocation &) const`.
template <typename Value>
using Prepare = Prepared<Value> (*)(const Argv &, const Environment &);
template <typename Value>
using Run = Next (*)(const Value &, Invocation &);

template <typename Value, Prepare<Value> prepare, Run<Value> run_value>
class TaskOf final : public Task {
 public:
  explicit TaskOf(Value value) : value_(std::move(value)) {}
  Next run(Invocation &invocation) const override {
    return run_value(value_, invocation);
  }
  const Common &common() const override { return value_.common; }
  const Argv &next() const override {
    if constexpr (requires(const Value &v) { v.next; }) {
      return value_.next;
    } else {
      static const Argv none;
      return none;
    }
  }
  std::optional<Confinement> confinement() const override {
    if constexpr (requires(const Value &v) { v.confinement(); }) {
      return value_.confinement();
    } else {
      return std::nullopt;
    }
  }
  void warm(Invocation &invocation) const override {
    if constexpr (requires(const Value &v) { v.warm(invocation); }) {
      value_.warm(invocation);
    }
  }

  static Prepared<std::unique_ptr<Task>> make(const Argv &argv,
                                              const Environment &environment) {
    auto prepared = prepare(argv, environment);
    if (auto *stop = std::get_if<Stop>(&prepared)) return std::move(*stop);
    std::unique_ptr<Task> task =
        std::make_unique<TaskOf>(std::move(std::get<Value>(prepared)));
    return task;
  }

 private:
  Value value_;
};

template <typename Value, Prepare<Value> prepare, Run<Value> run>
constexpr Program program(std::string_view name, std::string_view summary) {
  return {name, summary, &TaskOf<Value, prepare, run>::make};
}

}  // namespace moat
