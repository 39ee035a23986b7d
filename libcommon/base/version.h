// The version of the whole house: programs, formats and pages go together.

#pragma once

namespace moat {

inline constexpr const char *version = "0.1.0";

}  // namespace moat
