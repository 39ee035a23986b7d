// Delivery to a Maildir, so that a crash at any moment loses nothing.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libcommon/queue/delivery.h"

namespace moat {

// A message for one mailbox.
struct LocalMail {
  int message = -1;       // to its end; a regular file from its start if `rewound`
  bool rewound = false;   // reads at an offset of its own: others share the descriptor
  std::string name;       // the queue's for message and recipient; empty: none
  std::int64_t time = 0;  // wall seconds: when the queue took it
  std::optional<std::string> sender;     // for Return-Path
  std::optional<std::string> recipient;  // for Delivered-To and the loop check
};

// Delivers: writes tmp/NAME, syncs it, links it to new/NAME, unlinks tmp/NAME,
// syncs new/. Only then it is delivered, and then for good.
//
// With a name of the queue's, NAME in new/ is the same at each try, so what a
// try before a crash had linked is found there and not delivered twice; once a
// mail reader has moved it to cur/ a double is possible, a loss never.
//
// Deferred: whatever the system refuses, a full disk or quota and a missing
// folder among it. Failed: only a message that was delivered here before (5.4.6),
// and one cut short. `host` is this server's name.
Outcome deliver_to_maildir(const std::string &folder, const LocalMail &mail,
                           std::string_view host);

// Returns whether make_maildir need not be called: the folder is a Maildir, or
// cannot be looked into.
bool is_maildir(const std::string &folder);

// Makes what is missing of a Maildir: the folder, its parent, tmp, new and cur,
// mode 0700, and syncs it, also what another process had made and not synced.
Status make_maildir(const std::string &folder);

// Looks for a Delivered-To field of this address in the header of a message that
// passes by in pieces.
class LoopCheck {
 public:
  explicit LoopCheck(std::string_view address) : address_(address) {}
  void feed(std::string_view piece);
  bool found() const { return found_; }

 private:
  void end_line();

  std::string address_;
  std::string line_;  // its first octets
  bool header_ = true;
  bool found_ = false;
};

}  // namespace moat
