#include "libcommon/directory/master.h"

#include "libcommon/directory/records.h"
#include "libcommon/state/published.h"

namespace moat {
namespace {

// For people and doors at a lock that is held for as long as a copy takes.
constexpr Milliseconds patience{30'000};
constexpr mode_t public_mode = 0644;

std::string folder(const Places &places, Master::Which which) {
  return places.dir + (which == Master::Which::control ? "/control/" : "/relay/");
}

}  // namespace

std::string master_path(const Places &places, Master::Which which) {
  return folder(places, which) +
         (which == Master::Which::control ? "control.mdb" : "relay.mdb");
}

std::string public_path(const Places &places, Master::Which which) {
  return folder(places, which) + "public.mdb";
}

Result<Master> Master::open(Invocation &invocation, const Places &places, Which which) {
  const auto store =
      Store::open(invocation, master_path(places, which), master_store);
  if (!store) return store.error();
  return Master(**store, moat::public_path(places, which),
                which == Which::control ? control_seal : relay_seal);
}

Status Master::read(const std::function<Status(Reader &)> &body) const {
  return store_->read(body);
}

Status Master::change(const std::function<Status(Writer &)> &body) const {
  const auto changed = store_->update(Deadline::after(patience), body);
  if (!changed) return changed;
  const auto published = publish();
  if (published) return done;
  Error error = published.error();
  error.what = "changed, but not yet published: " + error.what;
  return error;
}

Status Master::publish() const {
  return moat::publish(*store_, public_path_, seal_, public_mode,
                       Deadline::after(patience));
}

Result<bool> Master::is_published() const {
  const auto copy = Store::open(public_path_, published_store);
  if (!copy) {
    if (copy.error().cause == Cause::other) return copy.error();
    return false;  // missing, damaged or newer: to be written again
  }
  bool same = true;
  std::uint64_t published = 0;
  const auto read = (*copy)->read([&](Reader &seen) -> Status {
    const auto sealed = check_seal(seen, seal_);
    if (!sealed) return sealed;
    return store_->read([&](Reader &master) -> Status {
      std::uint64_t entries = 0;
      const auto walked = master.each("", [&](const Entry &entry) {
        ++entries;
        const auto found = find_published(seen, entry.key);
        same = found && *found == entry.value;
        return same;
      });
      if (!walked || !same) return walked;
      const auto counted = each_published(seen, "", [&](const Entry &) {
        ++published;
        return true;
      });
      same = counted && published == entries;
      return done;
    });
  });
  if (!read && read.error().cause != Cause::damaged && read.error().cause != Cause::newer) {
    return read.error();
  }
  return read && same;
}

}  // namespace moat
