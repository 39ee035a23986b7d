#include "cmd/smtpd/incoming.h"

#include <utility>

namespace moat {

Status IncomingMessage::append(std::string_view octets) {
  if (auto status = append_before(); !status) return status;
  if (header_.ended()) return spool_.append(octets);
  const std::size_t size = header_.feed(octets);
  if (auto status = spool_.append(octets.substr(0, size)); !status) return status;
  if (!header_.ended()) return done;
  if (auto status = append_missing(); !status) return status;
  return spool_.append(octets.substr(size));
}

Status IncomingMessage::finish() {
  if (auto status = append_before(); !status) return status;
  return header_.ended() ? Status(done) : append_missing();
}

Status IncomingMessage::append_before() {
  if (before_.empty()) return done;
  return spool_.append(std::exchange(before_, {}));
}

Status IncomingMessage::append_missing() {
  if (!missing_.wanted) return done;
  std::string fields;
  if (!header_.has_date()) fields += "Date: " + missing_.date + "\n";
  if (!header_.has_message_id()) fields += "Message-ID: " + missing_.message_id + "\n";
  if (!header_.has_from()) fields += "From: " + missing_.from + "\n";
  return spool_.append(fields);
}

}  // namespace moat
