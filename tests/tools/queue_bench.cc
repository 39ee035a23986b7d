// Finds where a message should leave queue.mdb for a file of its own.
//
// usage: queue_bench FOLDER
// Queues messages of each size in groups of twenty, inline and as files, in
// FOLDER, and prints CPU and wall milliseconds a message.

#include <sys/resource.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "libcommon/queue/store.h"

using namespace moat;

namespace {

constexpr std::size_t group = 20;
constexpr std::size_t rounds = 25;

double cpu_ms() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto ms = [](const timeval &time) {
    return 1e3 * static_cast<double>(time.tv_sec) +
           1e-3 * static_cast<double>(time.tv_usec);
  };
  return ms(usage.ru_utime) + ms(usage.ru_stime);
}

void measure(const std::string &folder, std::size_t size, bool inside) {
  QueueSettings settings;
  settings.folder = folder + "/queue-bench";
  settings.inline_size = inside ? size : 0;
  std::filesystem::remove_all(settings.folder);
  const auto same = static_cast<uid_t>(-1);
  if (!QueueStore::create(settings, same, same)) return;
  {
    const auto queue = QueueStore::open(settings, Clock());
    if (!queue) return;
    const std::string octets(size, 'x');
    NewMessage message{"sender@example.org", {{"recipient@example.org"}}, {}, {octets}};
    const std::vector<NewMessage> messages(group, message);
    const double cpu = cpu_ms();
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < rounds; ++i) {
      // As in life, what was delivered goes: pages and inodes are used again.
      if (!(*queue)->add(messages) || (i % 5 == 4 && !(*queue)->remove(std::nullopt))) {
        return;
      }
    }
    const std::chrono::duration<double, std::milli> wall =
        std::chrono::steady_clock::now() - start;
    std::printf("%7zu %-6s cpu %6.3f ms  wall %6.3f ms\n", size,
                inside ? "inline" : "file", (cpu_ms() - cpu) / (group * rounds),
                wall.count() / (group * rounds));
  }
  std::filesystem::remove_all(settings.folder);
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 2) return 100;
  for (const std::size_t kib :
       std::array<std::size_t, 7>{4, 16, 32, 64, 128, 256, 1024}) {
    for (const bool inside : {true, false}) measure(argv[1], kib << 10U, inside);
  }
}
