#include "libcommon/base/log.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "libcommon/base/fd.h"
#include "libcommon/base/text.h"

namespace moat {
namespace {

constexpr std::size_t max_value = 1000;
constexpr std::size_t max_line = 8192;
constexpr std::string_view syslog_priority = "<22>";  // mail.info

bool is_plain(unsigned char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; }

// RFC 3164 wants no more than this for a local datagram: priority, tag, text.
void send_to_syslog(std::string_view line) {
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/dev/log");  // NOLINT(clang-analyzer-security*)
  std::string datagram(syslog_priority);
  datagram += line;
  [[maybe_unused]] const auto sent = ::sendto(
      socket.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
      reinterpret_cast<const sockaddr *>(&address), sizeof address);
}

void write_line(Log::Sink sink, std::string line) {
  if (sink == Log::Sink::none) return;
  line.resize(std::min(line.size(), max_line - 1));
  if (sink == Log::Sink::syslog) return send_to_syslog(line);
  line += '\n';
  [[maybe_unused]] const auto sent = ::write(STDERR_FILENO, line.data(), line.size());
}

std::string clean(std::string_view text) {
  std::string result(text);
  const auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
  std::replace_if(result.begin(), result.end(), is_control, '?');
  return result;
}

}  // namespace

std::string field_text(const Field &field) {
  std::string text(field.name);
  text += '=';
  const std::string_view value = std::string_view(field.value).substr(0, max_value);
  if (!value.empty() && std::all_of(value.begin(), value.end(), is_plain)) {
    return text.append(value);
  }
  text += '"';
  for (const char c : value) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (octet < ' ' || octet >= 0x7f) {
      text += "\\x" + to_hex({&c, 1});
    } else {
      text += c;
    }
  }
  return text += '"';
}

void Log::set_context(std::initializer_list<Field> fields) {
  context_.clear();
  for (const Field &field : fields) context_ += field_text(field) + " ";
}

void Log::event(std::string_view event, std::initializer_list<Field> fields) const {
  if (sink_ == Sink::none) return;
  std::string line = name_ + ": " + context_ + field_text({"event", event});
  for (const Field &field : fields) line += " " + field_text(field);
  write_line(sink_, std::move(line));
}

void Log::detail(std::string_view event, std::initializer_list<Field> fields) const {
  if (verbose_) this->event(event, fields);
}

void Log::say(std::string_view text) const { foreign(name_ + ": " + std::string(text)); }

void Log::fatal(std::string_view text) const { say("fatal: " + std::string(text)); }

void Log::foreign(std::string_view line) const { write_line(sink_, clean(line)); }

}  // namespace moat
