// Access rules: compiled into control.mdb, tested, printed.

#include <unistd.h>

#include <algorithm>

#include "cmd/relayctl/call.h"
#include "libcommon/base/io.h"
#include "libcommon/directory/directory.h"
#include "libcommon/directory/master.h"
#include "libcommon/directory/records.h"
#include "libcommon/net/access_rules.h"

namespace moat::relayctl {
namespace {

constexpr std::size_t max_text = std::size_t{32} << 20U;
constexpr std::size_t max_name = 60;

bool is_table_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= max_name &&
         std::all_of(name.begin(), name.end(), fits);
}

Result<int> compile(const Call &call, Invocation &invocation, const std::string &name) {
  const auto text = call.words.size() > 2 && call.words[2] != "-"
                        ? read_file(call.words[2], max_text)
                        : read_all(STDIN_FILENO, max_text);
  if (!text) return text.error();
  const auto compiled = AccessRules::compile(*text);
  if (!compiled) return compiled.error();
  const auto master = Master::open(invocation, call.places, Master::Which::control);
  if (!master) return master.error();
  const std::string key = rules_key(name);
  const std::string record = encode_text(key, *compiled);
  const auto changed =
      master->change([&](Writer &writer) { return writer.put(key, record); });
  if (!changed) return changed.error();
  return int{exit_ok};
}

// Reads the table as tcpd sees it.
Result<AccessRules> published(const Call &call, Invocation &invocation,
                              const std::string &name) {
  const auto directory = Directory::open(invocation, call.places);
  if (!directory) return directory.error();
  auto compiled = (*directory)->rules(name);
  if (!compiled) return compiled.error();
  if (!*compiled) return permanent_error("no access rules are named " + name);
  return AccessRules::load(std::move(**compiled));
}

Result<int> test(const AccessRules &rules, const std::string &client) {
  const auto address = IpAddress::parse(client);
  const bool by_name = rules.has_names();
  if (!address && !by_name) return permanent_error("not an address: " + client);
  const auto rule =
      by_name ? rules.match_name(client.empty() ? std::nullopt
                                                : std::optional<std::string_view>(client))
              : rules.match(*address);
  if (!rule) return rule.error();
  std::string text = "result=allow rule=none";
  if (*rule) {
    text = std::string("result=") + ((*rule)->allow ? "allow" : "deny");
    text += " " + field_text({"rule", (*rule)->text});
    for (const auto &[name, value] : (*rule)->variables) {
      text += "\n" + field_text({name, value});
    }
  }
  const auto written = write_all(STDOUT_FILENO, text + "\n");
  if (!written) return written.error();
  return int{!*rule || (*rule)->allow ? exit_ok : exit_found};
}

}  // namespace

Result<int> rules(const Call &call, Invocation &invocation) {
  const std::string &name = call.words[1];
  if (!is_table_name(name)) {
    return permanent_error("a table's name is 1 to 60 letters, digits, '.', '-', '_'");
  }
  if (call.test.empty() && !call.export_rules) return compile(call, invocation, name);
  const auto table = published(call, invocation, name);
  if (!table) return table.error();
  if (!call.test.empty()) return test(*table, call.test);
  const auto written = write_all(STDOUT_FILENO, table->text());
  if (!written) return written.error();
  return int{exit_ok};
}

}  // namespace moat::relayctl
