#pragma once

#include <cstdint>
#include <optional>

#include "loadcore/base/clock.hpp"
#include "loadcore/histogram/histogram.hpp"
#include "loadcore/load/plan.hpp"
#include "loadcore/load/report.hpp"
#include "simulation.hpp"

namespace loadcore::load::simulated {

/// What an open loop ought to measure against a target that serves any number of requests at once
/// and never fails.
struct Expected {
  Counts counts;
  Counts warmup_counts;
  histogram::Histogram latency;
  histogram::Histogram service;
  histogram::Histogram send_lag;
  histogram::Histogram generator_late;
  histogram::Histogram blocked;
};

/// The same by going through the requests one by one: each starts when it is due and a connection
/// is free, whichever is later. Shares nothing with the engine, and is slow and plain instead.
Expected work_out(const Plan& plan, const Behaviour& behaviour);

}  // namespace loadcore::load::simulated
