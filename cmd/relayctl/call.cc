#include "cmd/relayctl/call.h"

#include <algorithm>
#include <array>

namespace moat::relayctl {
namespace {

struct Form {
  std::string_view word;
  std::size_t least;  // operands
  std::size_t most;
};
constexpr auto forms = std::to_array<Form>({{"allow", 1, 1},
                                            {"deny", 1, 1},
                                            {"remove", 1, 1},
                                            {"list", 0, 0},
                                            {"import", 0, 1},
                                            {"export", 0, 0},
                                            {"rules", 1, 2}});

}  // namespace

std::string misuse_of(const Call &call) {
  if (!call.door.door.empty()) {
    return call.words.empty() ? "" : "--serve takes no command";
  }
  if (call.words.empty()) return "no command";
  const std::string &word = call.words[0];
  const auto *const form = std::find_if(forms.begin(), forms.end(),
                                        [&](const Form &f) { return f.word == word; });
  if (form == forms.end()) return "no such command: " + word;
  const std::size_t operands = call.words.size() - 1;
  if (operands < form->least) return word + " takes more words";
  if (operands > form->most) return word + " takes fewer words";
  if ((!call.test.empty() || call.export_rules) && (word != "rules" || operands != 1)) {
    return "--test and --export are for rules NAME";
  }
  if (call.period.count() != 0 && word != "allow" && word != "deny") {
    return "--for is for allow and deny";
  }
  if (!call.via.empty() && (word != "allow" || call.period.count() == 0)) {
    return "--via is for allow NET --for TIME";
  }
  return "";
}

}  // namespace moat::relayctl
