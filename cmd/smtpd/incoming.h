// The message that a client is sending: what we put before it, what we look at
// on its way, what we add.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libcommon/message/header.h"
#include "libcommon/message/spool.h"

namespace moat {

// What --complete-headers adds where it is missing.
struct MissingFields {
  bool wanted = false;
  std::string date;  // the values, without names and newlines
  std::string message_id;
  std::string from;
};

class IncomingMessage {
 public:
  // `before` are whole header fields, ended by LF.
  IncomingMessage(std::string folder, std::string before, MissingFields missing)
      : spool_(std::move(folder)),
        before_(std::move(before)),
        missing_(std::move(missing)) {}

  // Takes the next octets. Fields that others sent in our name are to be taken
  // out here, when there are checks that trust them.
  Status append(std::string_view octets);

  // Ends the message.
  Status finish();

  const HeaderScan &header() const { return header_; }
  const SpooledMessage &spool() const { return spool_; }

 private:
  Status append_missing();
  Status append_before();

  SpooledMessage spool_;
  std::string before_;
  MissingFields missing_;
  HeaderScan header_;
};

}  // namespace moat
