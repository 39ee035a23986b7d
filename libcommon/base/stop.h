// Stop: a program that ends before it begins.

#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "libcommon/base/exit_code.h"
#include "libcommon/base/result.h"

namespace moat {

using Argv = std::vector<std::string>;

// How a program ends while its options are read. With code 0 the text is what
// was asked for (--help) and goes to standard output; else it is what is wrong
// and goes to the log, one line.
struct Stop {
  int code;
  std::string text;
};

inline Stop misuse(std::string text) { return {exit_permanent, std::move(text)}; }

inline Stop stop_for(const Error &error) {
  return {error.temporary ? exit_temporary : exit_permanent, error.what};
}

// What prepare returns: the options as a value, or a Stop.
template <typename T>
using Prepared = std::variant<T, Stop>;

}  // namespace moat
