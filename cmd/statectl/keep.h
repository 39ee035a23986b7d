// The service that looks after the shared state.

#pragma once

#include "libcommon/base/clock.h"
#include "libcommon/base/places.h"
#include "libcommon/base/result.h"
#include "libcommon/process/invocation.h"

namespace moat {

struct KeepSettings {
  Milliseconds snapshot{300'000};
  Milliseconds prune{3'600'000};
};

// Recovers learned state, then takes snapshots and prunes until SIGTERM or
// SIGINT, and then marks learned state as clean. What the user may not open it
// leaves alone.
Status keep_state(Invocation &invocation, const Places &places,
                  const KeepSettings &settings);

}  // namespace moat
