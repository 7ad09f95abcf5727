#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "counter/log.hpp"
#include "loadcore/base/clock.hpp"
#include "loadcore/counter/batcher.hpp"
#include "loadcore/counter/durable_likes.hpp"
#include "loadcore/counter/store.hpp"
#include "loadcore/http/server.hpp"

namespace loadcore::counter {

/// Everything there is to say of a service at one moment. What it does not have is left out.
struct Figures {
  http::ServerStats server;
  std::uint64_t cut_off = 0;
  StoreStats store;
  bool failed = false;          ///< the store can no longer keep its promise
  std::string_view durability;  ///< its name
  std::array<std::uint64_t, outcome_names.size()> outcomes{};  ///< likes, by what became of them
  std::optional<DurableStats> durable;
  base::Duration recovery{0};
  const BatcherStats* batcher = nullptr;
  std::optional<LogStats> log;
};

/// The figures, and those of this process, for Prometheus.
std::string metrics_text(const Figures& figures);

}  // namespace loadcore::counter
