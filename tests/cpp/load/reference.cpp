#include "reference.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace loadcore::load::simulated {
namespace {

using base::Duration;

Duration intended_start(const Plan& plan, std::uint64_t index) {
  return Duration(std::llround(static_cast<long double>(index) * 1e9L / *plan.rate_rps));
}

/// One thread's requests on its own connections.
class Queue {
 public:
  Queue(const Plan& plan, const Behaviour& behaviour, std::uint32_t thread, Expected& expected)
      : plan_(plan),
        behaviour_(behaviour),
        thread_(thread),
        end_(plan.warmup + *plan.duration),
        expected_(expected),
        free_at_(plan.connections / plan.threads +
                 (thread < plan.connections % plan.threads ? 1 : 0)) {}

  void work_out() {
    for (std::uint64_t index = thread_;; index += plan_.threads) {
      const Duration intended = intended_start(plan_, index);
      if (intended >= end_) return;
      const bool measured = intended >= plan_.warmup;
      Counts& counts = measured ? expected_.counts : expected_.warmup_counts;
      ++counts.scheduled;
      auto& free_at = *std::min_element(free_at_.begin(), free_at_.end());
      const Duration start = std::max(intended, free_at);
      if (plan_.drop_after && std::min(start, end_) - intended > *plan_.drop_after) {
        ++counts.dropped;
      } else if (start > end_) {
        ++counts.unsent;
      } else {
        ++counts.sent;
        ++counts.completed;
        const Duration finish = start + behaviour_.service_time(thread_, sequence_++);
        if (measured) record(intended, start, finish);
        free_at = finish;
      }
    }
  }

 private:
  void record(Duration intended, Duration start, Duration finish) {
    expected_.latency.record((finish - intended).count());
    expected_.service.record((finish - start).count());
    expected_.send_lag.record((start - intended).count());
    expected_.blocked.record((start - intended).count());
    expected_.generator_late.record(0);
  }

  const Plan& plan_;
  const Behaviour& behaviour_;
  const std::uint32_t thread_;
  const Duration end_;
  Expected& expected_;
  std::vector<Duration> free_at_;
  std::uint64_t sequence_ = 0;
};

}  // namespace

Expected work_out(const Plan& plan, const Behaviour& behaviour) {
  Expected expected;
  for (std::uint32_t thread = 0; thread < plan.threads; ++thread) {
    Queue(plan, behaviour, thread, expected).work_out();
  }
  return expected;
}

}  // namespace loadcore::load::simulated
