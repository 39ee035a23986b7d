#include "libcommon/directory/master.h"

#include "libcommon/directory/networks.h"
#include "libcommon/directory/records.h"
#include "libcommon/state/published.h"

namespace moat {
namespace {

// For people and doors at a lock that is held for as long as a copy takes.
constexpr Milliseconds patience{30'000};
constexpr mode_t public_mode = 0644;

Status check_record(const Entry &entry) {
  const auto verdict = [](const auto &decoded) {
    return decoded ? Status(done) : Status(decoded.error());
  };
  const std::string_view key = entry.key;
  if (key.starts_with(domain_prefix)) return verdict(decode_domain(key, entry.value));
  if (key.starts_with(entry_prefix)) return verdict(decode_entry(key, entry.value));
  if (key.starts_with(network_prefix)) return verdict(decode_network(key, entry.value));
  return verdict(decode_text(key, entry.value));
}

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
  const auto store = Store::open(invocation, master_path(places, which), master_store);
  if (!store) return store.error();
  return Master(**store, moat::public_path(places, which),
                which == Which::control ? control_seal : relay_seal);
}

Status Master::read(const std::function<Status(Reader &)> &body) const {
  return store_->read(body);
}

Status Master::change(const std::function<Status(Writer &)> &body) const {
  auto changed = store_->update(Deadline::after(patience), body);
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

Status check_records(Store &master) {
  Status status = done;
  auto walked = master.read([&](Reader &reader) {
    return reader.each("", [&](const Entry &entry) {
      status = check_record(entry);
      return bool{status};
    });
  });
  if (!walked) return walked;
  if (status) return done;
  Error error = status.error();
  error.what.insert(0, master.path() + ": ");
  return error;
}

Result<unsigned> Master::count_ended(std::int64_t now) const {
  unsigned count = 0;
  const auto read = store_->read([&](Reader &reader) {
    return each_network(reader, [&](const RelayNetwork &network) {
      if (network.until != 0 && network.until <= now) ++count;
      return true;
    });
  });
  if (!read) return read.error();
  return count;
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
    auto sealed = check_seal(seen, seal_);
    if (!sealed) return sealed;
    return store_->read([&](Reader &master) -> Status {
      std::uint64_t entries = 0;
      auto walked = master.each("", [&](const Entry &entry) {
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
  if (!read && read.error().cause != Cause::damaged &&
      read.error().cause != Cause::newer) {
    return read.error();
  }
  return read && same;
}

}  // namespace moat
