#include "cmd/tcpd/live_rules.h"

#include "libcommon/directory/directory.h"
#include "libcommon/process/invocation.h"

namespace moat::tcpd {
namespace {

bool same_file(const struct stat &a, const struct stat &b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

LiveRules::LiveRules(std::string name, const Environment &environment)
    : name_(std::move(name)),
      environment_(environment),
      places_(Places::from(environment)),
      path_(places_.dir + "/control/public.mdb") {}

const Result<AccessRules> &LiveRules::current() {
  struct stat now{};  // all zero when there is no such file
  ::stat(path_.c_str(), &now);
  if (!rules_ || !same_file(now, seen_)) {
    seen_ = now;
    rules_ = read();
  }
  return *rules_;
}

Result<AccessRules> LiveRules::read() const {
  Invocation passing(environment_, Clock());  // closes what it opened
  const auto directory = Directory::open(passing, places_);
  if (!directory) return directory.error();
  auto compiled = (*directory)->rules(name_);
  if (!compiled) return compiled.error();
  if (!*compiled) return permanent_error("no access rules are named " + name_);
  auto rules = AccessRules::load(std::move(**compiled));
  if (rules && rules->has_names()) {
    return permanent_error("access rules " + name_ +
                           " are for names: moat-rdns has those");
  }
  return rules;
}

}  // namespace moat::tcpd
