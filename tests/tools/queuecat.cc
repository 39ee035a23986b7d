// usage: queuecat SPOOL
//
// Prints all that a queue holds, for tests: a line a message,
//   message TAB ID TAB SENDER TAB STATE:ADDRESS[,...] TAB SIZE
// with the states as numbers, then SIZE octets of the message and a newline.
// SIZE is "damaged" where the octets cannot be had. A last line says how many
// records were damaged: "damaged TAB COUNT". Exits 1 where the queue cannot be
// opened or read, with the reason on standard error.

#include <unistd.h>

#include <cstdio>

#include "libcommon/base/clock.h"
#include "libcommon/queue/store.h"

namespace moat {
namespace {

std::string recipients_text(const QueuedMessage &message) {
  std::string text;
  for (const QueueRecipient &recipient : message.recipients) {
    if (!text.empty()) text += ',';
    text += std::to_string(static_cast<int>(recipient.state)) + ":" + recipient.address;
  }
  return text;
}

// The octets of a body; fewer than its size where the file is shorter.
std::string octets_of(const QueuedBody &body) {
  if (!body.file) return body.octets;
  std::string octets(body.size, '\0');
  std::size_t filled = 0;
  while (filled < octets.size()) {
    const ssize_t count =
        ::read(body.file.get(), octets.data() + filled, octets.size() - filled);
    if (count <= 0) break;
    filled += static_cast<std::size_t>(count);
  }
  octets.resize(filled);
  return octets;
}

void print(const QueueStore &store, const QueuedMessage &message) {
  const auto body = store.read_body(message);
  if (!body) {
    // It may have been delivered and removed since.
    const auto still = store.find(message.id);
    if (still && !*still) return;
  }
  std::printf("message\t%s\t%s\t%s\t", message.id.text().c_str(), message.sender.c_str(),
              recipients_text(message).c_str());
  if (!body) {
    std::printf("damaged\n");
    return;
  }
  const std::string octets = octets_of(*body);
  std::printf("%zu\n", octets.size());
  std::fwrite(octets.data(), 1, octets.size(), stdout);
  std::printf("\n");
}

int complain(const Error &error) {
  std::fprintf(stderr, "queuecat: %s\n", error.what.c_str());
  return 1;
}

int run(const char *spool) {
  QueueSettings settings;
  settings.folder = spool;
  const auto store = QueueStore::open(settings, Clock{});
  if (!store) return complain(store.error());
  const auto damaged = (*store)->each([&](const QueuedMessage &message) {
    print(**store, message);
    return true;
  });
  if (!damaged) return complain(damaged.error());
  std::printf("damaged\t%llu\n", static_cast<unsigned long long>(*damaged));
  return 0;
}

}  // namespace
}  // namespace moat

int main(int argc, char **argv) {
  if (argc == 2) return moat::run(argv[1]);
  std::fputs("usage: queuecat SPOOL\n", stderr);
  return 100;
}
