#include "libcommon/cli/options.h"

#include <algorithm>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <utility>

#include "libcommon/base/text.h"
#include "libcommon/base/version.h"

namespace po = boost::program_options;

namespace moat {
namespace {

constexpr std::size_t help_column = 28;

// No guessing: an abbreviated word would break on the day a longer one comes.
// No short options: a name says what it does in a run script too.
constexpr int style = po::command_line_style::allow_long |
                      po::command_line_style::long_allow_adjacent |
                      po::command_line_style::long_allow_next;

// Refuses "-v", which Boost without short options takes for an operand.
std::vector<po::option> refuse_short(std::vector<std::string> &words) {
  const std::string &word = words[0];
  if (word.size() > 1 && word[0] == '-' && word[1] != '-') {
    throw po::unknown_option(word);
  }
  return {};
}

std::optional<bool> parse_switch(std::string_view value) {
  if (value == "1" || value == "yes") return true;
  if (value.empty() || value == "0" || value == "no") return false;
  return std::nullopt;
}

std::string range(const std::string &low, const std::string &high) {
  return "takes " + low + " to " + high;
}

std::string joined(const std::vector<std::string> &words, std::string_view separator) {
  std::string text;
  for (const std::string &word : words) {
    if (&word != words.data()) text += separator;
    text += word;
  }
  return text;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

Options::Options(std::string name, std::vector<std::string> forms, std::string summary)
    : name_(std::move(name)), forms_(std::move(forms)), summary_(std::move(summary)) {}

void Options::flag(std::string word, bool &target, std::string help) {
  Option &option = add({.word = std::move(word), .metavar = "", .help = std::move(help)});
  option.set = [&target](const std::string &value) -> std::string {
    const auto on = parse_switch(value);
    if (!on) return "takes 1, yes, 0, no or nothing";
    target = *on;
    return "";
  };
  option.show = [&target] { return std::string(target ? "yes" : "no"); };
}

void Options::text(std::string word, std::string metavar, std::string &target,
                   std::string help) {
  Option &option = add(
      {.word = std::move(word), .metavar = std::move(metavar), .help = std::move(help)});
  option.set = [&target](const std::string &value) {
    target = value;
    return std::string();
  };
  option.show = [&target] { return target; };
}

void Options::number(std::string word, std::string metavar, std::uint64_t &target,
                     std::uint64_t low, std::uint64_t high, std::string help) {
  Option &option = add(
      {.word = std::move(word), .metavar = std::move(metavar), .help = std::move(help)});
  option.set = [&target, low, high](const std::string &value) -> std::string {
    const auto number = parse_number(value, low, high);
    if (!number) return range(std::to_string(low), std::to_string(high));
    target = *number;
    return "";
  };
  option.show = [&target] { return std::to_string(target); };
}

void Options::duration(std::string word, std::string metavar, Milliseconds &target,
                       Milliseconds low, Milliseconds high, std::string help) {
  Option &option = add(
      {.word = std::move(word), .metavar = std::move(metavar), .help = std::move(help)});
  option.set = [&target, low, high](const std::string &value) -> std::string {
    const auto time = parse_duration(value);
    if (!time || *time < low || *time > high) return range(to_text(low), to_text(high));
    target = *time;
    return "";
  };
  option.show = [&target] { return to_text(target); };
}

void Options::size(std::string word, std::string metavar, std::uint64_t &target,
                   std::uint64_t low, std::uint64_t high, std::string help) {
  Option &option = add(
      {.word = std::move(word), .metavar = std::move(metavar), .help = std::move(help)});
  option.set = [&target, low, high](const std::string &value) -> std::string {
    const auto octets = parse_size(value);
    if (!octets || *octets < low || *octets > high) {
      return range(size_text(low), size_text(high));
    }
    target = *octets;
    return "";
  };
  option.show = [&target] { return size_text(target); };
}

void Options::rate(std::string word, std::string metavar, Rate &target,
                   std::string help) {
  Option &option = add(
      {.word = std::move(word), .metavar = std::move(metavar), .help = std::move(help)});
  option.set = [&target](const std::string &value) -> std::string {
    const auto rate = parse_rate(value);
    if (!rate) return "takes COUNT/TIME, as 60/60s";
    target = *rate;
    return "";
  };
  option.show = [&target] { return to_text(target); };
}

void Options::choice(std::string word, std::vector<std::string> words,
                     std::string &target, std::string help) {
  Option &option = add(
      {.word = std::move(word), .metavar = joined(words, "|"), .help = std::move(help)});
  option.set = [&target,
                words = std::move(words)](const std::string &value) -> std::string {
    if (std::find(words.begin(), words.end(), value) == words.end()) {
      return "takes " + joined(words, ", ");
    }
    target = value;
    return "";
  };
  option.show = [&target] { return target; };
}

void Options::list(std::string word, std::string metavar,
                   std::vector<std::string> &target, std::string help) {
  Option &option = add({.word = std::move(word),
                        .metavar = std::move(metavar),
                        .help = std::move(help),
                        .repeatable = true});
  option.set = [&target](const std::string &value) {
    target.push_back(value);
    return std::string();
  };
  option.show = [&target] { return joined(target, " "); };
}

void Options::command_line_only() { options_.back().from_environment = false; }

void Options::also_from(std::string variable) {
  options_.back().other_variable = std::move(variable);
}

Options::Option &Options::add(Option option) {
  options_.push_back(std::move(option));
  return options_.back();
}

Options::Option *Options::find(std::string_view word) {
  const auto found = std::find_if(options_.begin(), options_.end(),
                                  [&](const Option &o) { return o.word == word; });
  return found == options_.end() ? nullptr : &*found;
}

bool Options::given(std::string_view word) const {
  return std::any_of(options_.begin(), options_.end(), [&](const Option &o) {
    return o.word == word && o.source != "default";
  });
}

std::optional<Stop> Options::parse(const Argv &argv, const Environment &environment,
                                   Common &common, Argv &operands) {
  flag("verbose", verbose_, "log more");
  choice("log", {"stderr", "syslog", "none"}, log_word_, "where the log goes");
  flag("show-options", show_wanted_, "print each option's value and where it came from");
  command_line_only();
  flag("version", version_wanted_, "print the version");
  command_line_only();
  flag("help", help_wanted_, "print this help");
  command_line_only();

  // The help and the values must show the defaults of what nobody set.
  const std::string help_text = help();
  if (auto stop = read_command_line(argv, operands)) return stop;
  if (help_wanted_) return Stop{exit_ok, help_text};
  if (version_wanted_) return Stop{exit_ok, name_ + " " + version + "\n"};
  if (auto stop = read_environment(environment)) return stop;
  if (show_wanted_) return Stop{exit_ok, shown(environment)};

  common.verbose = verbose_;
  if (log_word_ == "syslog") common.log = Log::Sink::syslog;
  if (log_word_ == "none") common.log = Log::Sink::none;
  return std::nullopt;
}

// Parts options from operands, and joins each option with its value to one word.
// Boost would look for options among the next program's, and take a value that
// is also the name of an option ("--rules rate") for a missing one. An empty
// value it takes only as a word of its own.
Argv Options::option_words(const Argv &argv, Argv &operands) {
  Argv words;
  for (std::size_t i = 1; i < argv.size(); ++i) {
    const std::string &word = argv[i];
    const bool ended = word == "--";
    if (ended || word.size() < 2 || word[0] != '-') {
      const auto rest = argv.begin() + static_cast<std::ptrdiff_t>(i + (ended ? 1 : 0));
      const auto end = interleaved_ && !ended ? rest + 1 : argv.end();
      operands.insert(operands.end(), rest, end);
      if (end == argv.end()) break;
      continue;
    }
    const Option *option = word.starts_with("--") ? find(word.substr(2)) : nullptr;
    words.push_back(word);
    if (option == nullptr || option->metavar.empty() || i + 1 == argv.size()) continue;
    const std::string &value = argv[i + 1];
    if (value.starts_with("--")) break;  // it is missing: Boost says so
    if (value.empty()) words.emplace_back();
    if (!value.empty()) words.back() += "=" + value;
    ++i;
  }
  return words;
}

std::optional<Stop> Options::read_command_line(const Argv &argv, Argv &operands) {
  po::options_description known;
  for (const Option &option : options_) {
    if (option.metavar.empty()) {
      known.add_options()(option.word.c_str(), "");
    } else {
      known.add_options()(option.word.c_str(), po::value<std::string>(), "");
    }
  }
  try {
    po::command_line_parser parser(option_words(argv, operands));
    parser.options(known).style(style).extra_style_parser(refuse_short);
    for (const po::option &found : parser.run().options) {
      Option &option = *find(found.string_key);
      const std::string value = found.value.empty() ? "1" : found.value[0];
      if (auto stop = set(option, value, "command line")) return stop;
    }
  } catch (const po::error &error) {
    return misuse(one_line(error.what()) + " (" + name_ + " --help shows what it takes)");
  }
  return std::nullopt;
}

std::optional<Stop> Options::read_environment(const Environment &environment) {
  for (Option &option : options_) {
    if (option.source != "default") continue;
    std::string name = variable(option.word);
    auto value = option.from_environment ? environment.get(name) : std::nullopt;
    if (!value && !option.other_variable.empty()) {
      name = option.other_variable;
      value = environment.get(name);
    }
    if (!value) continue;
    if (!option.repeatable) {
      if (auto stop = set(option, std::string(*value), name)) return stop;
      continue;
    }
    for (std::string_view rest = *value; !rest.empty();) {
      const std::string line(take_line(rest));
      if (line.empty()) continue;
      if (auto stop = set(option, line, name)) return stop;
    }
  }
  return std::nullopt;
}

std::optional<Stop> Options::set(Option &option, const std::string &value,
                                 std::string source) {
  const std::string why = option.set(value);
  const bool from_variable = source != "command line";
  if (!why.empty()) {
    return misuse((from_variable ? source : "--" + option.word) + " " + why + ", not \"" +
                  value + "\"");
  }
  option.source = from_variable ? "$" + source : std::move(source);
  return std::nullopt;
}

// "--max-size" of "moat-smtpd" is MOAT_SMTPD_MAX_SIZE.
std::string Options::variable(std::string_view word) const {
  std::string text = name_ + "-";
  text += word;
  for (char &c : text) {
    if (c == '-') c = '_';
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

std::string Options::usage() const {
  std::string list;
  for (const Option &option : options_) {
    if (option.word == "verbose") break;  // from here on all programs have the same
    list += list.empty() ? "[--" : " [--";
    list += option.word + (option.metavar.empty() ? "" : " " + option.metavar) + "]";
    if (option.repeatable) list += "...";
  }
  std::string text;
  for (std::string form : forms_) {
    const auto place = form.find("OPTIONS");
    if (place != std::string::npos) form.replace(place, 7, list);
    const std::string line = (text.empty() ? "usage: " : "       ") + name_ + " " + form;
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string Options::help() const {
  std::string text = usage() + "\n" + summary_ + "\n\n";
  for (const Option &option : options_) {
    std::string names = "  --" + option.word;
    if (!option.metavar.empty()) names += " " + option.metavar;
    if (names.size() + 2 > help_column) {
      text += names + "\n";
      names.clear();
    }
    names.resize(help_column, ' ');
    text += names + option.help;
    const std::string value = option.show();
    if (!option.metavar.empty() && !value.empty()) text += " (default " + value + ")";
    if (!option.from_environment && !option.metavar.empty())
      text += " [command line only]";
    text += "\n";
  }
  return text;
}

std::string Options::shown(const Environment &environment) const {
  std::string text;
  std::vector<std::string> known;
  for (const Option &option : options_) {
    known.push_back(variable(option.word));
    text += option.word + "=" + one_line(option.show()) + "\t" + option.source + "\n";
  }
  const std::string prefix = variable("");
  environment.each(prefix, [&](std::string_view name, std::string_view) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      text.append(name).append("\tno option of ").append(name_).append("\n");
    }
  });
  return text;
}

}  // namespace moat
