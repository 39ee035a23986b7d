// The directory: who may receive here, and who may relay, as the administrator
// published it (control/public.mdb). Readers never lock, and never see half a
// change: the file is replaced whole.

#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libcommon/base/places.h"
#include "libcommon/base/result.h"
#include "libcommon/net/ip_address.h"

namespace moat {

class Invocation;

// What an address means here.
enum class RecipientKind {
  foreign,  // its domain is not ours: a relay question
  unknown,  // our domain, no such recipient
  account,  // a mailbox
  alias,    // stands for `targets`
  list,     // stands for the members in the file targets[0]
  routed,   // our domain, `route` decides or takes all (--recipients any, --route)
  ask,      // our domain says `--recipients ask`
};

struct Recipient {
  RecipientKind kind = RecipientKind::foreign;
  std::string address;  // the entry's own: no sub-address, lower case domain
  std::string maildir;  // of an account: absolute path
  uid_t uid = 0;        // of an account with an owner
  gid_t gid = 0;
  bool owned = false;                // whether uid and gid were given
  bool trap = false;                 // a spam trap
  bool greylist = true;              // false: this one wants no greylisting
  std::vector<std::string> targets;  // of an alias; of a list its member file
  std::string route;                 // "HOST:PORT", "unix:PATH" or empty
};

class Directory {
 public:
  // Opens the published directory, once a process. Missing, unreadable,
  // damaged, or of a newer format: an error, temporary for the mail.
  static Result<const Directory *> open(Invocation &invocation, const Places &places);

  virtual ~Directory() = default;

  // Looks up LOCAL@DOMAIN; both as the client wrote them but unquoted, `domain`
  // empty for a bare postmaster. In this order: the address itself, its alias
  // or list, its sub-address form (LOCAL+TAG), the domain's catch-all.
  // postmaster of each of our domains always resolves. An error means nothing
  // is known: answer 451, never yes and never no.
  virtual Result<Recipient> find(std::string_view local,
                                 std::string_view domain) const = 0;

  // Whether mail for this domain is ours to receive.
  virtual Result<bool> is_local_domain(std::string_view domain) const = 0;

  // Whether `moat-relayctl allow` named the client's network: true or false as
  // the longest match says, nullopt when none does. `now` in wall seconds ends
  // entries made --for a time.
  virtual Result<std::optional<bool>> may_relay(const IpAddress &client,
                                                std::int64_t now) const = 0;

  // Returns the table of access rules `name` as compiled, nullopt when there is
  // none (the text form is net/access_rules.h's).
  virtual Result<std::optional<std::string>> rules(std::string_view name) const = 0;
};

}  // namespace moat
