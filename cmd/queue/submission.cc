#include "cmd/queue/submission.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <utility>

#include "cmd/queue/outcome.h"
#include "libcommon/queue/body_folder.h"
#include "libcommon/queue/door_request.h"
#include "libcommon/queue/envelope.h"

namespace moat {
namespace {

constexpr unsigned long nfs_magic = 0x6969;
constexpr unsigned long cifs_magic = 0xff534d42;
constexpr unsigned long smb2_magic = 0xfe534d42;

// Reading such a file waits for whoever serves it: a process of the caller's, or
// another machine.
bool may_stall(int fd) {
  struct statfs info{};
  if (::fstatfs(fd, &info) != 0) return true;
  const auto type = static_cast<unsigned long>(info.f_type) & 0xffffffffUL;
  return type == FUSE_SUPER_MAGIC || type == nfs_magic || type == cifs_magic ||
         type == smb2_magic || type == V9FS_MAGIC;
}

// Returns what is wrong with a descriptor, or "".
std::string fault_of(int fd, std::uint64_t size) {
  struct stat info{};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return "no regular file";
  if (static_cast<std::uint64_t>(info.st_size) != size) return "not of the size told";
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY) {
    return "not open for reading";
  }
  if (may_stall(fd)) return "on a file system that may stall";
  return "";
}

BadRequest malformed(std::string reason) {
  return {{queue_internal, ""}, std::move(reason)};
}

BadRequest unreadable(std::string reason) {
  return {{queue_read_error, ""}, std::move(reason)};
}

BadRequest too_large() { return {{queue_text, "D5.3.4 message too large"}, "too large"}; }

// Takes message and envelope from the two descriptors. Returns the envelope's
// text.
std::variant<std::string, BadRequest> take_files(Submission &submission,
                                                 const DoorRequest &request,
                                                 std::vector<Fd> fds,
                                                 const QueueOptions &options) {
  if (fds.size() != 2) return malformed("not two descriptors");
  if (request.envelope_size > max_envelope(options))
    return malformed("envelope too long");
  for (const auto &[fd, size, name] :
       {std::tuple{fds[0].get(), request.message_size, "message: "},
        std::tuple{fds[1].get(), request.envelope_size, "envelope: "}}) {
    const std::string fault = fault_of(fd, size);
    if (!fault.empty()) return unreadable(name + fault);
  }
  auto envelope = read_message_octets(fds[1].get(), request.envelope_size);
  if (!envelope) return unreadable("envelope: " + envelope.error().what);
  submission.file = std::move(fds[0]);
  return std::move(*envelope);
}

}  // namespace

std::variant<Submission, BadRequest> check_request(const PacketView &packet,
                                                   std::vector<Fd> fds,
                                                   const QueueOptions &options) {
  auto request = parse_request(packet.octets);
  if (!request) return malformed(request.error().what);
  if (!request->with_descriptors && !fds.empty()) return malformed("stray descriptors");
  if (request->message_size > options.max_size) return too_large();

  Submission submission;
  submission.session = std::move(request->session);
  submission.deadline = deadline_of(submission.session);
  submission.size = request->message_size;
  std::string text;
  if (request->with_descriptors) {
    auto taken = take_files(submission, *request, std::move(fds), options);
    if (auto *bad = std::get_if<BadRequest>(&taken)) return std::move(*bad);
    text = std::move(std::get<std::string>(taken));
  } else {
    submission.octets = request->message;
    text = request->envelope;
  }
  EnvelopeReader reader(options.max_recipients);
  reader.take(text);
  if (reader.code() != queue_ok || !reader.used_all()) {
    const int code = reader.code() != queue_ok ? reader.code() : queue_bad_envelope;
    return BadRequest{{code, ""}, "envelope"};
  }
  submission.envelope = std::move(reader.envelope());
  return submission;
}

void answer(const Submission &submission, const QueueAnswer &answer) {
  [[maybe_unused]] const auto sent =
      send_packet(submission.caller.get(), answer_packet(answer), {},
                  Deadline::after(Milliseconds(0)));
}

}  // namespace moat
