#include "service_limits.hpp"

#include "loadcore/base/error.hpp"

namespace loadcore::bindings {
namespace {

using Server = decltype(counter::ServiceOptions::server);

/// Every connection has its place in lists of that length.
constexpr std::int64_t connections_most = 1'000'000;

const std::map<std::string, std::uint32_t Server::*> counts = {
    {"connections_max", &Server::connections_max},
    {"connections_per_address_max", &Server::connections_per_address_max},
};
const std::map<std::string, base::Duration Server::*> spans = {
    {"head_timeout", &Server::head_timeout},
    {"body_timeout", &Server::body_timeout},
    {"idle_timeout", &Server::idle_timeout},
    {"send_timeout", &Server::send_timeout},
};

}  // namespace

void set_limits(const std::map<std::string, std::int64_t>& limits,
                counter::ServiceOptions& options) {
  for (const auto& [name, value] : limits) {
    if (const auto count = counts.find(name); count != counts.end()) {
      if (value < 1 || value > connections_most) {
        throw base::PlanError(name, "must be from 1 to 1,000,000");
      }
      options.server.*count->second = static_cast<std::uint32_t>(value);
    } else if (const auto span = spans.find(name); span != spans.end()) {
      if (value < 1) throw base::PlanError(name, "must be longer than 0");
      options.server.*span->second = base::Duration(value);
    } else {
      throw base::PlanError("limits", "has no " + name);
    }
  }
  // All of them may come to one thread.
  options.server.connections_per_thread_max = options.server.connections_max;
}

}  // namespace loadcore::bindings
