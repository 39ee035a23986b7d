#include "libcommon/queue/door_request.h"

#include <algorithm>
#include <optional>

#include "libcommon/base/text.h"
#include "libcommon/queue/session.h"

namespace moat {
namespace {

// A packet is a first line, then blocks of the lengths that it gives:
//   moat-queue 1 inline|files VARIABLES ENVELOPE MESSAGE\n
// the variables as NAME=value NUL; with "files" the last two are not there.
constexpr std::string_view magic = "moat-queue";
constexpr std::string_view version = "1";
constexpr std::size_t max_value = 4096;
constexpr std::size_t max_first_line = 128;
constexpr std::uint64_t max_size = std::uint64_t{1} << 50U;
constexpr std::size_t max_answer_text = 255;

std::string variables_text(const Environment &session) {
  std::string text;
  for (const std::string_view name : session_variables()) {
    const auto value = session.get(name);
    if (!value || value->size() > max_value) continue;
    text.append(name).append("=").append(*value) += '\0';
  }
  return text;
}

bool read_variables(std::string_view text, Environment &session) {
  const auto names = session_variables();
  while (!text.empty()) {
    if (text.find('\0') == std::string_view::npos) return false;
    std::string_view entry = take_until(text, '\0');
    if (entry.find('=') == std::string_view::npos) return false;
    const std::string_view name = take_until(entry, '=');
    if (std::find(names.begin(), names.end(), name) == names.end()) return false;
    if (entry.size() > max_value || session.get(name)) return false;
    session.set(name, entry);
  }
  return true;
}

std::optional<std::uint64_t> take_size(std::string_view &line) {
  return parse_number(take_until(line, ' '), 0, max_size);
}

}  // namespace

std::string request_packet(const DoorRequest &request) {
  const std::string variables = variables_text(request.session);
  const bool inside = !request.with_descriptors;
  const auto envelope = inside ? request.envelope.size() : request.envelope_size;
  const auto message = inside ? request.message.size() : request.message_size;
  std::string packet;
  packet.reserve(max_first_line + variables.size() + request.envelope.size() +
                 request.message.size());
  packet.append(magic).append(" ").append(version).append(inside ? " inline "
                                                                 : " files ");
  packet += std::to_string(variables.size()) + " " + std::to_string(envelope) + " " +
            std::to_string(message) + "\n" + variables;
  if (inside) packet.append(request.envelope).append(request.message);
  return packet;
}

Result<DoorRequest> parse_request(std::string_view packet) {
  const std::string_view start = packet.substr(0, max_first_line);
  if (start.find('\n') == std::string_view::npos) return permanent_error("no request");
  std::string_view line = take_line(packet);
  if (take_until(line, ' ') != magic) return permanent_error("no request");
  if (take_until(line, ' ') != version) {
    return permanent_error("request of another version");
  }
  DoorRequest request;
  const std::string_view kind = take_until(line, ' ');
  if (kind != "inline" && kind != "files") return permanent_error("malformed request");
  request.with_descriptors = kind == "files";
  const auto variables = take_size(line);
  const auto envelope = take_size(line);
  const auto message = take_size(line);
  if (!variables || !envelope || !message || !line.empty() ||
      *variables > packet.size()) {
    return permanent_error("malformed request");
  }
  if (!read_variables(packet.substr(0, *variables), request.session)) {
    return permanent_error("malformed variables");
  }
  packet.remove_prefix(*variables);
  request.envelope_size = *envelope;
  request.message_size = *message;
  if (request.with_descriptors) {
    if (!packet.empty()) return permanent_error("malformed request");
    return request;
  }
  if (*envelope > packet.size() || *message != packet.size() - *envelope) {
    return permanent_error("malformed request");
  }
  request.envelope = packet.substr(0, *envelope);
  request.message = packet.substr(*envelope);
  return request;
}

std::string answer_packet(const QueueAnswer &answer) {
  std::string packet(1, static_cast<char>(answer.code));
  return packet.append(answer.text, 0, max_answer_text);
}

QueueAnswer parse_answer(std::string_view packet) {
  if (packet.empty()) return {-1, ""};
  const auto code = static_cast<unsigned char>(packet[0]);
  if (code == 255) return {-1, ""};
  return {code, std::string(packet.substr(1, max_answer_text))};
}

}  // namespace moat
