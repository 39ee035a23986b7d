#include "libcommon/queue/submit.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "libcommon/process/door.h"
#include "libcommon/queue/door_request.h"
#include "libcommon/queue/memory_file.h"
#include "libcommon/queue/queue_program.h"
#include "libcommon/queue/session.h"

namespace moat {
namespace {

constexpr std::size_t max_answer = 1024;  // octets

// What room a packet must leave for its first line and the session's variables.
constexpr std::size_t packet_overhead = 8192;

// Sends the request in whichever form fits. Returns false on any trouble.
bool send_request(int door, const Message &message, const std::string &envelope,
                  Environment session, Deadline deadline) {
  DoorRequest request;
  request.session = std::move(session);
  const std::size_t room = max_packet - packet_overhead;
  if (message.fd < 0 && message.octets.size() + envelope.size() <= room) {
    request.message = message.octets;
    request.envelope = envelope;
    const std::string packet = request_packet(request);
    if (packet.size() <= max_packet) {
      return bool{send_packet(door, packet, {}, deadline)};
    }
  }
  Fd copy;
  if (message.fd < 0) {
    auto made = memory_file("message", message.octets);
    if (!made) return false;
    copy = std::move(*made);
  }
  const auto envelope_file = memory_file("envelope", envelope);
  if (!envelope_file) return false;
  request.with_descriptors = true;
  request.message_size = message.fd < 0 ? message.octets.size() : message.size;
  request.envelope_size = envelope.size();
  const std::array<int, 2> fds{message.fd < 0 ? copy.get() : message.fd,
                               envelope_file->get()};
  return bool{send_packet(door, request_packet(request), fds, deadline)};
}

// Waits for the end of the program and reads what it says meanwhile.
QueueAnswer wait_for_program(QueueProgram &program, Deadline deadline) {
  bool text_open = true;
  for (;;) {
    std::array<pollfd, 2> entries{
        {{program.pidfd(), POLLIN, 0}, {text_open ? program.text_fd() : -1, POLLIN, 0}}};
    const int ready = ::poll(entries.data(), entries.size(), deadline.poll_timeout());
    if (ready == 0) return program.abandon();
    if (ready < 0 && errno != EINTR) return program.abandon();
    if (ready < 0) continue;
    if (entries[0].revents != 0) return program.finish();
    if (entries[1].revents != 0) text_open = program.read_text();
  }
}

}  // namespace

QueueAnswer submit_at_door(const std::string &path, const Message &message,
                           const Envelope &envelope, const Environment &session,
                           Deadline deadline) {
  const auto door = connect_to_door(path, deadline);
  if (!door) return {queue_network, ""};
  Environment variables = session_of(session);
  if (const auto told = told_deadline(session, deadline)) {
    variables.set("MOAT_DEADLINE", *told);
  }
  if (!send_request(door->get(), message, envelope_text(envelope), std::move(variables),
                    deadline)) {
    return {-1, ""};
  }
  const auto answer = receive_packet(door->get(), max_answer, 0, deadline);
  return answer ? parse_answer(answer->octets) : QueueAnswer{-1, ""};
}

QueueAnswer submit_to_program(const std::vector<std::string> &argv,
                              const Message &message, const Envelope &envelope,
                              const Environment &session, Deadline deadline) {
  Fd copy;
  if (message.fd < 0) {
    auto made = memory_file("message", message.octets);
    if (!made) return {queue_no_memory, ""};
    copy = std::move(*made);
  } else if (::lseek(message.fd, 0, SEEK_SET) != 0) {
    return {queue_read_error, ""};
  }
  const auto envelope_file = memory_file("envelope", envelope_text(envelope));
  if (!envelope_file) return {queue_no_memory, ""};
  auto program =
      QueueProgram::start(argv, session, message.fd < 0 ? copy.get() : message.fd,
                          envelope_file->get(), deadline);
  if (!program) return {queue_internal, ""};
  return wait_for_program(*program, deadline);
}

}  // namespace moat
