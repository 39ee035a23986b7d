// The directory: what an address means, and that no damage changes it.

#include "libcommon/directory/directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "libcommon/base/io.h"
#include "libcommon/directory/address.h"
#include "libcommon/directory/master.h"
#include "libcommon/directory/networks.h"
#include "libcommon/directory/records.h"
#include "libcommon/state/published.h"
#include "libcommon/state/record.h"
#include "tests/unit/check.h"
#include "tests/unit/scratch.h"

using namespace moat;
using test::Scratch;

namespace {

constexpr auto same = static_cast<uid_t>(-1);

// A scratch gate with two empty masters.
class Gate {
 public:
  Gate() : invocation(Environment(), Clock()) {
    places = {scratch.file("etc"), scratch.path(), scratch.file("spool"),
              scratch.file("run"), scratch.file("mail")};
    for (const auto which : {Master::Which::control, Master::Which::relay}) {
      const std::string path = master_path(places, which);
      std::filesystem::create_directory(path.substr(0, path.rfind('/')));
      CHECK(Store::create(path, 0600, same, same));
      CHECK(master(which).publish());
    }
  }

  Master master(Master::Which which = Master::Which::control) {
    return *Master::open(invocation, places, which);
  }
  void change(const std::function<Status(Writer &)> &body) {
    CHECK(master().change(body));
  }
  const Directory &directory() { return **Directory::open(invocation, places); }

  Recipient find(std::string_view local, std::string_view domain) {
    const auto found = directory().find(local, domain);
    CHECK(found);
    return found ? *found : Recipient{};
  }

  Scratch scratch;
  Places places;
  Invocation invocation;
};

Status put_domain(Writer &writer, const Domain &domain) {
  return writer.put(domain_key(domain.name), encode(domain));
}

Status put_entry(Writer &writer, EntryKind kind, std::string address,
                 std::vector<std::string> targets = {}) {
  DirectoryEntry entry;
  entry.kind = kind;
  entry.address = std::move(address);
  entry.targets = std::move(targets);
  if (kind == EntryKind::account) entry.maildir = "/mail/" + entry.address;
  return writer.put(entry_key(entry.address), encode(entry));
}

void fill(Gate &gate) {
  gate.change([](Writer &w) -> Status {
    Domain plain;
    plain.name = "example.test";
    plain.postmaster = "/mail/example.test/postmaster";
    Domain all = plain;
    all.name = "all.test";
    all.catch_all = "anna@example.test";
    Domain routed;
    routed.name = "routed.test";
    routed.route = "mx.inside.test:2525";
    routed.recipients = Recipients::any;
    Domain listed = routed;
    listed.name = "listed.test";
    listed.recipients = Recipients::known;
    Domain asked = routed;
    asked.name = "asked.test";
    asked.recipients = Recipients::ask;
    Domain round = plain;
    round.name = "round.test";
    round.catch_all = "gone@round.test";
    for (const Domain &domain : {plain, all, routed, listed, asked, round}) {
      if (const auto put = put_domain(w, domain); !put) return put;
    }
    const std::string longest(max_local, 'l');
    for (const char *name : {"anna", "tagged+yes", "\"a b\"", "j\xc3\xb6rg"}) {
      const auto put =
          put_entry(w, EntryKind::account, std::string(name) + "@example.test");
      if (!put) return put;
    }
    (void)put_entry(w, EntryKind::account, longest + "@example.test");
    (void)put_entry(w, EntryKind::account, "known@listed.test");
    (void)put_entry(w, EntryKind::list, "team@example.test", {"/etc/team"});
    (void)put_entry(w, EntryKind::alias, "postmaster@all.test", {"anna@example.test"});
    (void)w.put(default_domain_key, encode_text(default_domain_key, "example.test"));
    return put_entry(w, EntryKind::alias, "sales@example.test",
                     {"anna@example.test", "Bo@elsewhere.test"});
  });
}

void finds_what_is_there() {
  Gate gate;
  fill(gate);
  const Recipient anna = gate.find("aNNa", "EXAMPLE.test");
  CHECK(anna.kind == RecipientKind::account);
  CHECK(anna.address == "anna@example.test");
  CHECK(anna.maildir == "/mail/anna@example.test");
  CHECK(gate.find("team", "example.test").kind == RecipientKind::list);
  const Recipient sales = gate.find("sales", "example.test");
  CHECK(sales.kind == RecipientKind::alias && sales.targets.size() == 2);
  CHECK(sales.targets.at(1) == "Bo@elsewhere.test");
  CHECK(gate.find("a b", "example.test").kind == RecipientKind::account);
  CHECK(gate.find("j\xc3\xb6rg", "example.test").kind == RecipientKind::account);
  CHECK(gate.find(std::string(max_local, 'L'), "example.test").kind ==
        RecipientKind::account);
}

void refuses_what_is_not() {
  Gate gate;
  fill(gate);
  for (const char *local :
       {"nobody", "ann", "annaa", "", "+", "+anna", "an\nna", "team "}) {
    CHECK(gate.find(local, "example.test").kind == RecipientKind::unknown);
  }
  CHECK(gate.find(std::string(max_local + 1, 'l'), "example.test").kind ==
        RecipientKind::unknown);
  for (const char *domain :
       {"sub.example.test", "example.tes", "example.test.", "", "..", "[192.0.2.1]"}) {
    CHECK(gate.find("anna", domain).kind == RecipientKind::foreign);
  }
  CHECK(gate.find("anna", std::string(300, 'd')).kind == RecipientKind::foreign);
  CHECK(*gate.directory().is_local_domain("Example.TEST"));
  CHECK(!*gate.directory().is_local_domain("elsewhere.test"));
}

void finds_sub_addresses() {
  Gate gate;
  fill(gate);
  CHECK(gate.find("anna+x+y", "example.test").address == "anna@example.test");
  CHECK(gate.find("sales+x", "example.test").kind == RecipientKind::alias);
  CHECK(gate.find("tagged+yes", "example.test").kind == RecipientKind::account);
  CHECK(gate.find("tagged+no", "example.test").kind == RecipientKind::unknown);
}

void finds_by_domain() {
  Gate gate;
  fill(gate);
  CHECK(gate.find("whoever", "all.test").address == "anna@example.test");
  CHECK(gate.find("x", "routed.test").kind == RecipientKind::routed);
  CHECK(gate.find("x", "routed.test").route == "mx.inside.test:2525");
  CHECK(gate.find("x", "asked.test").kind == RecipientKind::ask);
  CHECK(gate.find("known", "listed.test").kind == RecipientKind::routed);
  CHECK(gate.find("x", "listed.test").kind == RecipientKind::unknown);
  CHECK(gate.find("x", "round.test").kind == RecipientKind::unknown);
}

void always_has_a_postmaster() {
  Gate gate;
  fill(gate);
  const Recipient own = gate.find("PostMaster", "example.test");
  CHECK(own.kind == RecipientKind::account);
  CHECK(own.maildir == "/mail/example.test/postmaster");
  CHECK(gate.find("postmaster", "all.test").kind == RecipientKind::alias);
  CHECK(gate.find("postmaster+x", "all.test").kind == RecipientKind::alias);
  CHECK(gate.find("postmaster", "round.test").kind == RecipientKind::account);
  CHECK(gate.find("postmaster", "listed.test").kind == RecipientKind::routed);
  CHECK(gate.find("postmaster", "").address == "postmaster@example.test");
  CHECK(gate.find("anna", "").kind == RecipientKind::foreign);
}

void sees_each_change_at_once() {
  Gate gate;
  fill(gate);
  const Directory &directory = gate.directory();
  gate.change([](Writer &writer) {
    return put_entry(writer, EntryKind::account, "new@example.test");
  });
  // The one that was open shows what it showed until it is asked for again.
  CHECK(directory.find("new", "example.test")->kind == RecipientKind::unknown);
  CHECK(gate.find("new", "example.test").kind == RecipientKind::account);
  gate.change([](Writer &writer) -> Status {
    (void)writer.remove(entry_key("new@example.test"));
    return done;
  });
  CHECK(gate.find("new", "example.test").kind == RecipientKind::unknown);
}

IpNetwork net(std::string_view text) { return *IpNetwork::parse(text); }

void says_who_may_relay() {
  Gate gate;
  gate.change([](Writer &w) -> Status {
    (void)put_network(w, {net("192.0.2.0/24"), true, 0});
    (void)put_network(w, {net("192.0.2.128/25"), false, 0});
    (void)put_network(w, {net("192.0.2.200"), true, 1000});
    (void)put_network(w, {net("::/0"), true, 0});
    return put_network(w, {net("2001:db8::/32"), false, 0});
  });
  CHECK(gate.master(Master::Which::relay).change([](Writer &w) -> Status {
    (void)put_network(w, {net("198.51.100.7"), true, 1000});
    return put_network(w, {net("192.0.2.129"), true, 1000});
  }));
  const auto said = [&](const char *client, std::int64_t now) {
    const auto may = gate.directory().may_relay(*IpAddress::parse(client), now);
    CHECK(may);
    return !*may ? -1 : **may ? 1 : 0;
  };
  CHECK(said("192.0.2.1", 5) == 1);
  CHECK(said("::ffff:192.0.2.1", 5) == 1);
  CHECK(said("192.0.2.128", 5) == 0);
  CHECK(said("192.0.2.200", 999) == 1);
  CHECK(said("192.0.2.200", 1000) == 0);  // ended: the wider network speaks
  CHECK(said("203.0.113.1", 5) == -1);    // ::/0 is not IPv4's
  CHECK(said("2001:db8::1", 5) == 0);
  CHECK(said("2001:db9::1", 5) == 1);
  CHECK(said("198.51.100.7", 999) == 1);
  CHECK(said("198.51.100.7", 1000) == -1);
  CHECK(said("192.0.2.129", 5) == 0);  // a login opens nothing that was denied

  unsigned pruned = 0;
  gate.change([&](Writer &w) -> Status {
    pruned = *prune_networks(w, 1000);
    return done;
  });
  CHECK(pruned == 1);
  CHECK(said("192.0.2.200", 5) == 0);
  bool removed = false;
  gate.change([&](Writer &w) -> Status {
    removed = *remove_network(w, net("192.0.2.128/25"));
    return done;
  });
  CHECK(removed);
  CHECK(said("192.0.2.128", 5) == 1);
}

void keeps_tables_of_rules() {
  Gate gate;
  const std::string table(100'000, 'x');
  gate.change([&](Writer &w) {
    return w.put(rules_key("smtp"), encode_text(rules_key("smtp"), table));
  });
  CHECK(**gate.directory().rules("smtp") == table);
  CHECK(!gate.directory().rules("other")->has_value());
}

void write_plain(const std::string &path, std::string_view octets) {
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  CHECK(write_all(file.get(), octets));
}

void says_when_the_file_is_no_good() {
  Gate gate;
  fill(gate);
  const std::string path = public_path(gate.places, Master::Which::control);
  const std::string whole = *read_file(path, 1U << 30U);
  const auto error = [&] {
    Invocation fresh{Environment(), Clock()};
    const auto opened = Directory::open(fresh, gate.places);
    CHECK(!opened && opened.error().temporary);
    return opened ? Error{} : opened.error();
  };
  std::filesystem::remove(path);
  CHECK(error().cause == Cause::missing);
  write_plain(path, "");
  CHECK(error().cause == Cause::damaged);
  write_plain(path, whole.substr(0, whole.size() - 4096));
  CHECK(error().cause == Cause::damaged);
  write_plain(path, std::string(20000, 'x'));
  CHECK(error().cause == Cause::damaged);
  // Whole, but not a directory, or one of tomorrow's.
  std::filesystem::copy_file(master_path(gate.places, Master::Which::control), path,
                             std::filesystem::copy_options::overwrite_existing);
  CHECK(error().cause == Cause::damaged);
  CHECK(publish(gate.master().store(), path, "moat control 2", 0600,
                Deadline::after(Milliseconds(50))));
  const Error newer = error();
  CHECK(newer.cause == Cause::newer);
  CHECK(newer.what.find("moat control 2") != std::string::npos);
  CHECK(newer.what.find(path) == 0);
}

void a_newer_record_is_refused() {
  Gate gate;
  fill(gate);
  gate.change([](Writer &writer) {
    RecordWriter record;
    record.text("whatever comes");
    const std::string key = entry_key("anna@example.test");
    return writer.put(key, record.seal(key, 2));
  });
  const auto found = gate.directory().find("anna", "example.test");
  CHECK(!found && found.error().cause == Cause::newer && found.error().temporary);
  CHECK(gate.find("sales", "example.test").kind == RecipientKind::alias);
}

// Whatever single bit falls over, or whatever page comes back empty or twice:
// right, or an error.
void damage_never_changes_an_answer() {
  Gate gate;
  fill(gate);
  gate.change([](Writer &writer) -> Status {
    for (int i = 0; i < 2000; ++i) {
      const auto put = put_entry(writer, EntryKind::account,
                                 "user" + std::to_string(i) + "@example.test");
      if (!put) return put;
    }
    return done;
  });
  const std::string path = public_path(gate.places, Master::Which::control);
  const std::string whole = *read_file(path, 1U << 30U);
  unsigned random = 4711;
  const auto draw = [&](std::size_t below) {
    random = random * 1103515245U + 12345U;
    return static_cast<std::size_t>(random >> 4U) % below;
  };
  int wrong = 0;
  int errors = 0;
  for (int round = 0; round < 600; ++round) {
    std::string octets = whole;
    const std::size_t page = draw(whole.size() / 4096) * 4096;
    if (round % 10 == 8) {
      octets.replace(page, 4096, std::string(4096, '\0'));
    } else if (round % 10 == 9) {
      octets.replace(page, 4096, whole.substr(draw(whole.size() / 4096) * 4096, 4096));
    } else {
      const std::size_t place = page + draw(round % 2 == 0 ? 200 : 4096);
      octets[place] = static_cast<char>(octets[place] ^ (1 << draw(8)));
    }
    write_plain(path, octets);
    Invocation fresh{Environment(), Clock()};
    for (int i = 0; i < 40; ++i) {
      const auto directory = Directory::open(fresh, gate.places);
      if (!directory) {
        ++errors;
        break;
      }
      const std::size_t number = draw(2500);
      const auto found =
          (*directory)->find("user" + std::to_string(number), "example.test");
      if (!found) {
        ++errors;
        continue;
      }
      const auto truth = number < 2000 ? RecipientKind::account : RecipientKind::unknown;
      if (found->kind != truth) ++wrong;
    }
  }
  CHECK(wrong == 0);
  CHECK(errors > 100);
  std::printf("# %d errors, %d wrong answers\n", errors, wrong);
}

void addresses_are_parsed_and_written() {
  const auto text = [](std::string_view from) {
    const auto address = parse_address(from);
    return address ? address->text() : "-";
  };
  CHECK(text("Anna@Example.Test") == "anna@example.test");
  CHECK(text("\"anna\"@example.test") == "anna@example.test");
  CHECK(text("\"a b\"@x.test") == "\"a b\"@x.test");
  CHECK(text("\"a\\\"\\\\b\"@x.test") == "\"a\\\"\\\\b\"@x.test");
  CHECK(text("\"a@b\"@x.test") == "\"a@b\"@x.test");
  CHECK(text("a+b@x.test") == "a+b@x.test");
  for (const char *bad :
       {"", "@", "a", "a@", "@b", "a b@x.test", ".a@x.test", "a.@x.test", "a..b@x.test",
        "\"a@x.test", "\"a\"b@x.test", "a@x..test", "a@.test", "a@x/y", "a@-x.test",
        "\"a\nb\"@x.test", "\"\\\"@x.test"}) {
    CHECK(text(bad) == "-");
  }
  CHECK(text(std::string(65, 'a') + "@x.test") == "-");
}

void local_parts_make_safe_folders() {
  CHECK(folder_name("anna.b+c") == "anna.b+c");
  CHECK(folder_name(".") == "%2E");
  CHECK(folder_name("..") == "%2E.");
  CHECK(folder_name("a/../b") == "a%2F..%2Fb");
  CHECK(folder_name("a b%") == "a%20b%25");
  CHECK(folder_name("\xc3\xb6\n") == "%C3%B6%0A");
}

void records_come_back_as_they_went() {
  DirectoryEntry entry;
  entry.kind = EntryKind::list;
  entry.address = std::string(64, 'a') + "@" + std::string(200, 'b');
  entry.owned = true;
  entry.uid = 4'000'000'000;
  entry.gid = 7;
  entry.trap = true;
  entry.greylist = false;
  entry.targets = {"/a", ""};
  const std::string key = entry_key(entry.address);
  CHECK(key.size() < 64);
  CHECK(*decode_entry(key, encode(entry)) == entry);
  CHECK(decode_entry(entry_key("x@y.test"), encode(entry)).error().cause ==
        Cause::damaged);
  std::string octets = encode(entry);
  for (std::size_t i = 0; i < octets.size(); ++i) {
    octets[i] = static_cast<char>(octets[i] ^ 1);
    CHECK(!decode_entry(key, octets));
    octets[i] = static_cast<char>(octets[i] ^ 1);
  }
  Domain domain;
  domain.name = "example.test";
  domain.recipients = Recipients::ask;
  domain.route = "unix:/x";
  CHECK(*decode_domain(domain_key("example.test"), encode(domain)) == domain);
}

}  // namespace

int main() {
  finds_what_is_there();
  refuses_what_is_not();
  finds_sub_addresses();
  finds_by_domain();
  always_has_a_postmaster();
  sees_each_change_at_once();
  says_who_may_relay();
  keeps_tables_of_rules();
  says_when_the_file_is_no_good();
  a_newer_record_is_refused();
  damage_never_changes_an_answer();
  addresses_are_parsed_and_written();
  local_parts_make_safe_folders();
  records_come_back_as_they_went();
  return test::done();
}
