// The store: what it keeps, what it refuses, and that damage is an error.

#include "libcommon/state/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <utility>
#include <vector>

#include "libcommon/base/io.h"
#include "tests/unit/check.h"
#include "tests/unit/scratch.h"

using namespace moat;
using test::Scratch;

namespace {

constexpr auto same = static_cast<uid_t>(-1);

Deadline soon() { return Deadline::after(Milliseconds(50)); }

std::unique_ptr<Store> made(const std::string &path, StoreMode mode = master_store) {
  CHECK(Store::create(path, 0600, same, same));
  auto store = Store::open(path, mode);
  CHECK(store);
  return std::move(*store);
}

std::string value(Store &store, const std::string &key) {
  std::string text = "(none)";
  const auto read = store.read([&](Reader &reader) -> Status {
    const auto found = reader.get(key);
    if (!found) return found.error();
    if (*found) text = **found;
    return done;
  });
  return read ? text : "(error) " + read.error().what;
}

void keeps_what_was_committed() {
  const Scratch scratch;
  const auto store = made(scratch.file("a.mdb"));
  CHECK(store->update(soon(), [](Writer &writer) -> Status {
    for (const char *key : {"b", "d", "c1", "c2"}) {
      if (const auto put = writer.put(key, std::string("=") + key); !put) return put;
    }
    const auto first = writer.put_if_absent("e", "1");
    const auto second = writer.put_if_absent("e", "2");
    CHECK(first && *first && second && !*second);
    const auto gone = writer.remove("d");
    const auto never = writer.remove("x");
    CHECK(gone && *gone && never && !*never);
    return done;
  }));
  CHECK(value(*store, "b") == "=b");
  CHECK(value(*store, "d") == "(none)");
  CHECK(value(*store, "e") == "1");

  std::string seen;
  CHECK(store->read([&](Reader &reader) -> Status {
    const auto after = reader.at_or_after("c15");
    CHECK(after && *after && (*after)->key == "c2");
    const auto before = reader.before("c15");
    CHECK(before && *before && (*before)->key == "c1");
    CHECK(!*reader.before("b"));
    CHECK((*reader.before("zz"))->key == "e");
    CHECK(!*reader.at_or_after("zz"));
    return reader.each("c", [&](const Entry &entry) {
      seen.append(entry.key).append(entry.value);
      return true;
    });
  }));
  CHECK(seen == "c1=c1c2=c2");
}

void an_error_undoes_the_update() {
  const Scratch scratch;
  const auto store = made(scratch.file("a.mdb"));
  const auto status = store->update(soon(), [](Writer &writer) -> Status {
    if (const auto put = writer.put("a", "1"); !put) return put;
    return permanent_error("no");
  });
  CHECK(!status && status.error().what == "no");
  CHECK(value(*store, "a") == "(none)");
}

void makes_no_file_by_accident() {
  const Scratch scratch;
  const std::string path = scratch.file("a.mdb");
  const auto store = Store::open(path, master_store);
  CHECK(!store && store.error().cause == Cause::missing && store.error().temporary);
  CHECK(store.error().what.find("moat-statectl init") != std::string::npos);
  CHECK(!std::filesystem::exists(path));
  CHECK(!Store::open(path, published_store));
  CHECK(!std::filesystem::exists(path));
}

void makes_files_with_their_mode() {
  const Scratch scratch;
  const std::string path = scratch.file("a.mdb");
  const mode_t mask = ::umask(077);
  CHECK(Store::create(path, 0660, same, same));
  ::umask(mask);
  for (const char *end : {"", "-lock", ".writer"}) {
    struct stat status{};
    CHECK(::stat((path + end).c_str(), &status) == 0 && (status.st_mode & 0777U) == 0660);
  }
  // Again: the file keeps what it holds.
  {
    auto store = Store::open(path, master_store);
    CHECK((*store)->update(soon(), [](Writer &w) { return w.put("a", "1"); }));
  }
  CHECK(Store::create(path, 0600, same, same));
  auto store = Store::open(path, master_store);
  CHECK(value(**store, "a") == "1");
}

void grows_to_its_ceiling_and_no_further() {
  const Scratch scratch;
  StoreMode mode = master_store;
  mode.ceiling = std::uint64_t{24} << 20U;
  const auto store = made(scratch.file("a.mdb"), mode);
  const std::string block(std::size_t{1} << 20U, 'x');
  int runs = 0;
  const auto put = [&](int count) {
    return store->update(soon(), [&](Writer &writer) -> Status {
      ++runs;
      for (int i = 0; i < count; ++i) {
        if (const auto one = writer.put("k" + std::to_string(i), block); !one) return one;
      }
      return done;
    });
  };
  CHECK(put(8));
  CHECK(runs == 2);
  const auto full = put(40);
  CHECK(!full && full.error().cause == Cause::full && full.error().temporary);
  CHECK(value(*store, "k7") == block);
  CHECK(value(*store, "k8") == "(none)");
  CHECK(store->update(soon(), [](Writer &writer) { return writer.put("small", "1"); }));
}

// Runs `body` in a child, and returns its exit code.
template <typename Body>
int in_child(Body body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void a_handle_does_not_survive_a_fork() {
  const Scratch scratch;
  auto store = made(scratch.file("a.mdb"));
  CHECK(in_child([&] {
          const auto read = store->read([](Reader &) -> Status { return done; });
          store.reset();  // must not free the parent's slots
          return !read && !read.error().temporary ? 7 : 1;
        }) == 7);
  CHECK(store->update(soon(), [](Writer &writer) { return writer.put("a", "1"); }));
}

void processes_see_each_other_and_take_turns() {
  const Scratch scratch;
  const std::string path = scratch.file("a.mdb");
  const auto store = made(path);
  CHECK(in_child([&] {
          auto other = Store::open(path, master_store);
          const std::string block(std::size_t{4} << 20U, 'x');
          return other && (*other)->update(soon(),
                                           [&](Writer &w) { return w.put("big", block); })
                     ? 0
                     : 1;
        }) == 0);
  // The other let the file grow past our map.
  CHECK(value(*store, "big").size() == std::size_t{4} << 20U);
  CHECK(store->update(soon(), [](Writer &writer) { return writer.put("a", "1"); }));
}

void a_stopped_writer_holds_up_no_reader() {
  const Scratch scratch;
  const std::string path = scratch.file("a.mdb");
  const auto store = made(path);
  std::array<int, 2> ready{};
  CHECK(::pipe(ready.data()) == 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    auto other = Store::open(path, master_store);
    const auto status = (*other)->update(soon(), [&](Writer &writer) -> Status {
      const auto put = writer.put("a", "half");
      if (::write(ready[1], "x", 1) == 1) ::raise(SIGSTOP);
      return put;
    });
    ::_exit(status ? 0 : 1);
  }
  char octet = 0;
  CHECK(::read(ready[0], &octet, 1) == 1);
  int status = 0;
  ::waitpid(pid, &status, WUNTRACED);
  CHECK(WIFSTOPPED(status));
  CHECK(value(*store, "a") == "(none)");
  const std::int64_t before = Clock::boot_ms();
  const auto put = store->update(soon(), [](Writer &w) { return w.put("a", "2"); });
  CHECK(!put && put.error().cause == Cause::busy && put.error().temporary);
  CHECK(Clock::boot_ms() - before < 2000);
  // Killed there, it leaves nothing, and its locks are free.
  ::kill(pid, SIGKILL);
  ::waitpid(pid, &status, 0);
  CHECK(value(*store, "a") == "(none)");
  CHECK(store->update(soon(), [](Writer &w) { return w.put("a", "2"); }));
  CHECK(value(*store, "a") == "2");
  ::close(ready[0]);
  ::close(ready[1]);
}

void dead_readers_make_room() {
  const Scratch scratch;
  const std::string path = scratch.file("a.mdb");
  const auto store = made(path);
  for (int i = 0; i < 3; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      auto other = Store::open(path, master_store);
      (void)(*other)->read([](Reader &) -> Status {
        ::raise(SIGKILL);
        return done;
      });
    }
    ::waitpid(pid, nullptr, 0);
  }
  const auto reaped = store->reap_readers();
  CHECK(reaped && *reaped > 0);
}

// Fills a file with many pages and returns its octets.
std::string many_pages(const Scratch &scratch) {
  const std::string path = scratch.file("whole.mdb");
  const auto store = made(path);
  CHECK(store->update(soon(), [](Writer &writer) -> Status {
    for (int i = 0; i < 3000; ++i) {
      const std::string key = "key" + std::to_string(1000000 + i);
      if (const auto put = writer.put(key, std::string(40, 'v')); !put) return put;
    }
    return writer.put("zlarge", std::string(100000, 'z'));
  }));
  return *read_file(path, std::size_t{1} << 30U);
}

// Looks everything up; whatever it says, it must return.
[[maybe_unused]] void look_around(const std::string &path) {
  const auto store = Store::open(path, published_store);
  if (!store) return;
  (void)value(**store, "zlarge").size();
  (void)(*store)->read([](Reader &reader) -> Status {
    for (int i = 0; i < 3000; i += 7) {
      const auto found = reader.get("key" + std::to_string(1000000 + i));
      if (!found) return found.error();
    }
    std::size_t sum = 0;
    return reader.each("", [&](const Entry &entry) {
      sum += entry.key.size() + entry.value.size();
      return sum < std::size_t{1} << 30U;
    });
  });
  (void)(*store)->check();
}

[[maybe_unused]] void damage_is_an_error_and_no_signal() {
  const Scratch scratch;
  const std::string whole = many_pages(scratch);
  const std::string path = scratch.file("b.mdb");
  unsigned random = 12345;
  for (int round = 0; round < 400; ++round) {
    std::string octets = whole;
    const int count = round % 3 == 0 ? 1 : 40;
    for (int i = 0; i < count; ++i) {
      random = random * 1103515245U + 12345U;
      const std::size_t page = (random >> 8U) % (whole.size() / 4096);
      random = random * 1103515245U + 12345U;
      // Most in the heads of pages, where it does the most harm.
      const std::size_t place = page * 4096 + (random >> 8U) % (i % 2 == 0 ? 160 : 4096);
      octets[place] = static_cast<char>(octets[place] ^ (1 << (random >> 20U) % 8));
    }
    CHECK(replace_file(path, octets));
    const int code = in_child([&] {
      look_around(path);
      return 0;
    });
    if (code != 0) {
      std::printf("# round %d: %d\n", round, code);
      CHECK(code == 0);
      return;
    }
  }
}

void a_short_file_is_found_at_open() {
  const Scratch scratch;
  const std::string whole = many_pages(scratch);
  const std::string path = scratch.file("b.mdb");
  for (const std::size_t size : {std::size_t{0}, std::size_t{100}, std::size_t{4096},
                                 std::size_t{8192}, whole.size() / 2, whole.size() - 1}) {
    CHECK(replace_file(path, whole.substr(0, size)));
    const auto store = Store::open(path, published_store);
    CHECK(!store && store.error().cause == Cause::damaged && store.error().temporary);
    CHECK(std::filesystem::file_size(path) == size);
  }
  CHECK(replace_file(path, whole));
  CHECK(Store::open(path, published_store));
  CHECK(replace_file(path, std::string(1 << 20U, 'x')));
  CHECK(Store::open(path, published_store).error().cause == Cause::damaged);
}

}  // namespace

int main() {
  keeps_what_was_committed();
  an_error_undoes_the_update();
  makes_no_file_by_accident();
  makes_files_with_their_mode();
  grows_to_its_ceiling_and_no_further();
  a_handle_does_not_survive_a_fork();
  processes_see_each_other_and_take_turns();
  a_stopped_writer_holds_up_no_reader();
  dead_readers_make_room();
#ifndef MOAT_SANITIZED  // which takes the stray reads that the guard is there for as ours
  damage_is_an_error_and_no_signal();
#endif
  a_short_file_is_found_at_open();
  return test::done();
}
