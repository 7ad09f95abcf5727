#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "loadcore/counter/service.hpp"

namespace loadcore::bindings {

/// Sets those of the server's options that `limits` names: counts, and spans in ns, by the names
/// that python/loadcore/_limits.py has. Throws base::PlanError for one that is out of range or
/// unknown.
void set_limits(const std::map<std::string, std::int64_t>& limits,
                counter::ServiceOptions& options);

}  // namespace loadcore::bindings
