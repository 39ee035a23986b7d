// Access rules in tcprules syntax: who may connect, and which variables his
// session gets. The text is compiled once; the compiled form is searched as it
// lies, without being unpacked.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libcommon/base/result.h"
#include "libcommon/net/ip_address.h"

namespace moat {

// What a rule says of a client.
struct AccessRule {
  bool allow = true;
  std::vector<std::pair<std::string, std::string>> variables;
  std::string text;  // the rule's line, for people
};

class AccessRules {
 public:
  // Compiles lines `ADDRESS:allow` or `ADDRESS:deny`, then `,NAME="value"`...
  // with any quote character; `#` comments and empty lines are dropped. ADDRESS
  // is an address, a dotted prefix ("192.0.2."), a range ("192.0.2.10-20",
  // "10.2-3.", "2001:db8::1-2001:db8::ff"), a network ("2001:db8::/32", an IPv6
  // address in brackets or not), nothing (everybody), or a name: "=host",
  // "=.suffix", "=". Addresses and names do not mix. Of a line that comes twice
  // the first counts. What is wrong is a permanent error that names the line.
  static Result<std::string> compile(std::string_view text);

  // Takes what compile() made. A form that is damaged or newer is an error, as
  // far as it can be seen from its frame; what is damaged inside is not matched.
  static Result<AccessRules> load(std::string compiled);

  // Whether it has rules for names, which tcpd refuses; and for addresses,
  // which rdns refuses. A table of the empty address alone has neither.
  bool has_names() const { return names_ > 0; }
  bool has_addresses() const { return networks_ > 0; }

  // Finds the rule for an address: the longest network, an address alone being
  // the longest, then the empty one. No match is nullopt: the client is admitted.
  // An error when the table is damaged: admit nobody.
  Result<std::optional<AccessRule>> match(const IpAddress &client) const;

  // Finds the rule for a name that was confirmed, nullopt when there is none:
  // "=name", the longest "=.suffix", "=" for any name, then the empty address.
  Result<std::optional<AccessRule>> match_name(
      std::optional<std::string_view> name) const;

  // Returns the rules as compile() takes them, one a line, in their order.
  std::string_view text() const;

 private:
  std::optional<std::size_t> find_network(const IpAddress &client) const;
  std::optional<std::size_t> find_name(std::string_view name) const;
  Result<std::optional<AccessRule>> rule_at(std::size_t place) const;
  Result<std::optional<AccessRule>> rule_for_all() const;

  std::string octets_;
  std::size_t networks_ = 0;
  std::size_t names_ = 0;
  std::size_t text_ = 0;  // where the text begins
};

// Whether an access rule may set this variable: not what says where programs
// and files are, nor what an acceptor found out itself, nor options that are
// taken from the command line alone.
bool rule_may_set(std::string_view variable);

}  // namespace moat
