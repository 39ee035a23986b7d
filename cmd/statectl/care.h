// Looking after the stores of a gate, by hand.

#pragma once

#include <string>

#include "cmd/statectl/gate.h"
#include "libcommon/base/places.h"
#include "libcommon/base/result.h"
#include "libcommon/process/invocation.h"
#include "libcommon/state/store.h"

namespace moat {

// Print a line a file on standard output; check returns exit_found where one is
// damaged or its published copy is not what it should be.
Result<int> show_info(Invocation &invocation, const Places &places);
Result<int> check_stores(Invocation &invocation, const Places &places);

// Copies each store, whole at one moment, into a folder that is there or is
// made (0700). The queue is not among them: mail restored is mail sent twice.
Status back_up(Invocation &invocation, const Places &places, const std::string &folder);

// Checks every copy in the folder first; then puts what each holds in place of
// what the store holds, in one transaction, and publishes it.
Status restore(Invocation &invocation, const Places &places, const std::string &folder);

// Opens a store of the gate in its mode.
Result<Store *> open_gate_file(Invocation &invocation, const GateFile &file);

}  // namespace moat
