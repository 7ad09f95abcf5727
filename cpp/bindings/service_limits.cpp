#include "service_limits.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "loadcore/base/error.hpp"

namespace loadcore::bindings {
namespace {

using Server = decltype(counter::ServiceOptions::server);

/// Every connection has its place in lists of that length.
constexpr std::int64_t connections_most = 1'000'000;

template <typename T>
struct Limit {
  std::string_view name;
  T Server::* member;
};

constexpr std::array<Limit<std::uint32_t>, 2> counts{{
    {"connections_max", &Server::connections_max},
    {"connections_per_address_max", &Server::connections_per_address_max},
}};
constexpr std::array<Limit<base::Duration>, 4> spans{{
    {"head_timeout", &Server::head_timeout},
    {"body_timeout", &Server::body_timeout},
    {"idle_timeout", &Server::idle_timeout},
    {"send_timeout", &Server::send_timeout},
}};

}  // namespace

void set_limits(const std::map<std::string, std::int64_t>& limits,
                counter::ServiceOptions& options) {
  for (const auto& [name, value] : limits) {
    const auto is_it = [&wanted = name](const auto& limit) { return limit.name == wanted; };
    if (const auto* count = std::ranges::find_if(counts, is_it); count != counts.end()) {
      if (value < 1 || value > connections_most) {
        throw base::PlanError(name, "must be from 1 to 1,000,000");
      }
      options.server.*count->member = static_cast<std::uint32_t>(value);
    } else if (const auto* span = std::ranges::find_if(spans, is_it); span != spans.end()) {
      if (value < 1) throw base::PlanError(name, "must be longer than 0");
      options.server.*span->member = base::Duration(value);
    } else {
      throw base::PlanError("limits", "has no " + name);
    }
  }
  // All of them may come to one thread.
  options.server.connections_per_thread_max = options.server.connections_max;
}

}  // namespace loadcore::bindings
