// The options of a program: one table makes the parser, the help and the
// variables, so these agree; tests/man.bats holds the manual to them.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/environment.h"
#include "libcommon/base/log.h"
#include "libcommon/base/stop.h"
#include "libcommon/base/value.h"

namespace moat {

// What every program takes.
struct Common {
  bool verbose = false;
  Log::Sink log = Log::Sink::standard_error;
};

class Options {
 public:
  // `name` is the program's ("moat-greet"): option --delay is also the variable
  // MOAT_GREET_DELAY. `forms` are the ways to call it, a line of the synopsis
  // each; "OPTIONS" in one stands for all options in brackets. `summary` is the
  // sentence below.
  Options(std::string name, std::vector<std::string> forms, std::string summary);

  Options(const Options &) = delete;  // the table points at the targets
  Options &operator=(const Options &) = delete;

  // Whether options may also stand behind operands: so in shell tools. A chain
  // program's end at the first word that is none, or at "--".
  void interleave() { interleaved_ = true; }

  // Each declares an option. What its target holds is the default, and the help
  // shows it. `metavar` names the value in capitals: "TIME".
  void flag(std::string word, bool &target, std::string help);
  void text(std::string word, std::string metavar, std::string &target, std::string help);
  void number(std::string word, std::string metavar, std::uint64_t &target,
              std::uint64_t low, std::uint64_t high, std::string help);
  void duration(std::string word, std::string metavar, Milliseconds &target,
                Milliseconds low, Milliseconds high, std::string help);
  void size(std::string word, std::string metavar, std::uint64_t &target,
            std::uint64_t low, std::uint64_t high, std::string help);
  void rate(std::string word, std::string metavar, Rate &target, std::string help);
  // Sets `target` to one of `words`; the metavar is the words joined by '|'.
  void choice(std::string word, std::vector<std::string> words, std::string &target,
              std::string help);
  // May come more than once; the variable's value is split at newlines.
  void list(std::string word, std::string metavar, std::vector<std::string> &target,
            std::string help);

  // Takes the option declared last from the command line alone: it names a
  // user, a program, a trusted network, a key or a file to write.
  void command_line_only();

  // Takes the option declared last also from `variable`, a name that other
  // software fixed (QMAILQUEUE), after its own variable or, behind
  // command_line_only, in place of it.
  void also_from(std::string variable);

  // Reads the command line, then the variables for what it left out. Sets the
  // targets, `common` and `operands` (the words that are no options: of a chain
  // program the next program's argv). Returns nullopt when the program should
  // go on; else the Stop for --help, --version, --show-options or misuse.
  std::optional<Stop> parse(const Argv &argv, const Environment &environment,
                            Common &common, Argv &operands);

  // After parse: whether the command line or a variable gave this option.
  bool given(std::string_view word) const;

 private:
  struct Option {
    std::string word = {};
    std::string metavar = {};  // empty for a flag
    std::string help = {};
    bool repeatable = false;
    bool from_environment = true;
    std::string other_variable = {};
    // Returns why the value is refused ("takes ..."), or "" when it was set.
    std::function<std::string(const std::string &)> set = {};
    std::function<std::string()> show = {};
    std::string source = "default";
  };

  Option &add(Option option);
  Option *find(std::string_view word);
  Argv option_words(const Argv &argv, Argv &operands);
  std::optional<Stop> read_command_line(const Argv &argv, Argv &operands);
  std::optional<Stop> read_environment(const Environment &environment);
  static std::optional<Stop> set(Option &option, const std::string &value,
                                 std::string source);
  std::string variable(std::string_view word) const;
  std::string usage() const;
  std::string help() const;
  std::string shown(const Environment &environment) const;

  std::string name_;
  std::vector<std::string> forms_;
  std::string summary_;
  std::vector<Option> options_;  // in the order of their declaration
  bool interleaved_ = false;
  bool help_wanted_ = false;
  bool version_wanted_ = false;
  bool show_wanted_ = false;
  std::string log_word_ = "stderr";
  bool verbose_ = false;
};

}  // namespace moat
