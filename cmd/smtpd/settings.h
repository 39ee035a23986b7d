// What the options of moat-smtpd say.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "libcommon/base/places.h"
#include "libcommon/base/stop.h"
#include "libcommon/cli/options.h"
#include "libcommon/process/confine.h"
#include "libcommon/smtp/session.h"

namespace moat {

class Invocation;

struct SmtpdSettings {
  Common common;
  SessionRules rules;
  std::uint64_t max_size = std::uint64_t{25} << 20U;  // octets
  std::uint64_t hops = 30;
  Milliseconds queue_timeout{240000};
  std::string door;  // of the queue, or
  Argv program;      // the queue program with its arguments
  bool complete_headers = false;
  Places places;
  std::string spool;  // folder for messages that memory does not hold

  // What is left to a confined smtpd; nullopt where it has to exec.
  std::optional<Confinement> confinement() const;

  // Opens the directory, which each session asks.
  void warm(Invocation &invocation) const;
};

// Reads them.
Prepared<SmtpdSettings> smtpd_settings(const Argv &argv, const Environment &environment);

}  // namespace moat
