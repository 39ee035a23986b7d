// Relay networks: who may relay, by the longest network that holds a client.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "libcommon/base/result.h"
#include "libcommon/directory/records.h"
#include "libcommon/net/ip_address.h"
#include "libcommon/state/store.h"

namespace moat {

// Adds a network, or changes what was said of it.
Status put_network(Writer &writer, const RelayNetwork &network);

// Returns false when nothing was said of it.
Result<bool> remove_network(Writer &writer, const IpNetwork &network);

// Removes what ended at `now` (wall seconds) or before. Returns how many.
Result<unsigned> prune_networks(Writer &writer, std::int64_t now);

// Calls with each network in a master, the wider first, until one returns false.
Status each_network(Reader &reader,
                    const std::function<bool(const RelayNetwork &)> &call);

// How a key is looked up: in a master plainly, in what is published with proof.
using Lookup =
    std::function<Result<std::optional<std::string_view>>(std::string_view key)>;

// Returns what the longest network that holds the client says, nullopt when
// none does. What ended at `now` says nothing.
Result<std::optional<bool>> match_network(const Lookup &lookup, const IpAddress &client,
                                          std::int64_t now);

}  // namespace moat
