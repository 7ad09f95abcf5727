#pragma once

#include "loadcore/load/plan.hpp"
#include "loadcore/load/report.hpp"

namespace loadcore::load {

/// Whether the finished `report` of `plan` describes the target or the generator. A pure function;
/// docs/measuring.md lists its rules with their reasons.
Verdict judge(const Plan& plan, const Report& report);

}  // namespace loadcore::load
