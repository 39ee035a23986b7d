// Watching folders for changes of the files in them, until a signal.

#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "libcommon/base/fd.h"
#include "libcommon/base/result.h"
#include "libcommon/process/signals.h"

namespace moat {

class FolderWatch {
 public:
  // Holds SIGTERM and SIGINT until destruction.
  static Result<FolderWatch> make();

  // Watches these as well: of `whole` every file counts, of `homes` those whose
  // names begin with ".qmail". One that is not there is passed over. Returns
  // whether any was not watched before.
  Result<bool> add(const std::set<std::string> &whole,
                   const std::set<std::string> &homes);

  // Waits for a change, and then until none came for 0.2 seconds, or 2 seconds
  // in all. Returns false when a signal came: the end.
  Result<bool> wait();

 private:
  FolderWatch(Fd fd, std::unique_ptr<SignalReader> signals)
      : fd_(std::move(fd)), signals_(std::move(signals)) {}
  Result<bool> add_one(const std::string &path, bool whole);
  Result<bool> take_events();

  Fd fd_;
  std::unique_ptr<SignalReader> signals_;
  std::map<int, bool> watched_;  // whether every file counts
};

}  // namespace moat
