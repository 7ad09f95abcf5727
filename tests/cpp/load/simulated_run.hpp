#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "loadcore/load/plan.hpp"
#include "loadcore/load/report.hpp"
#include "simulation.hpp"

namespace loadcore::load::simulated {

struct Stop {
  base::Duration at;  ///< since World::epoch
  std::optional<base::Duration> drain;
};

struct Settings {
  std::uint64_t seed = 1;
  Interference interference;
  std::vector<Stop> stops;
};

/// One thread's part of a run.
struct WorkerResult {
  std::vector<IntervalRow> rows;
  ThreadReport thread;
  std::vector<base::TimePoint> sends;     ///< since World::epoch, warm-up included
  std::vector<base::TimePoint> attempts;  ///< to connect
  base::TimePoint sending_ended;
  base::TimePoint ended;
  bool stopped_early = false;
};

struct Result {
  Report report;  ///< without rows, verdict and outcome
  std::vector<WorkerResult> workers;
  Seen seen;
  bool started = false;
  bool unreachable = false;
  base::TimePoint start;  ///< common to all workers, warm-up included
  base::TimePoint ended;
  std::size_t request_bytes = 0;
};

/// A plan for a target that is only simulated.
Plan make_plan();

/// Runs `plan` as Engine does, with every worker on this thread and one simulated clock.
Result simulate(const Plan& plan, const Behaviour& behaviour, const Settings& settings = {});

}  // namespace loadcore::load::simulated
