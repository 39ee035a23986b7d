// One line of access rules, taken apart.

#pragma once

#include <string_view>
#include <vector>

#include "libcommon/net/access_rules.h"

namespace moat {

struct RuleLine {
  std::string_view address;  // within the line
  AccessRule rule;
};

// Parses `ADDRESS:allow,NAME="value"...` without judging the address. What is
// wrong is a permanent error.
Result<RuleLine> parse_rule_line(std::string_view line);

// Returns the networks that the address part of a rule covers: one, or those
// that a range needs.
Result<std::vector<IpNetwork>> parse_rule_address(std::string_view text);

}  // namespace moat
