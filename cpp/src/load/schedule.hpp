#pragma once

#include <cstdint>

#include "loadcore/base/clock.hpp"

namespace loadcore::load {

/// When each request of an open loop is meant to start, as a function of its index alone: nothing
/// that happens during the run moves it, so a late request knows how late it is (Tene, "How NOT to
/// Measure Latency"; nighthawk and wrk2 pace in the same way).
class Schedule {
 public:
  explicit Schedule(double rate_rps) noexcept : gap_ns_(1e9L / rate_rps) {}

  /// Of request `index`, since the start of the run; to the nearest nanosecond, so that a gap which
  /// no number holds exactly (21 a second) does not slip one more request in before a whole second.
  base::Duration intended(std::uint64_t index) const noexcept {
    return base::Duration(
        static_cast<std::int64_t>(static_cast<long double>(index) * gap_ns_ + 0.5L));
  }

  /// How many requests are meant to start before `instant`.
  std::uint64_t count_before(base::Duration instant) const noexcept;

  /// The time between one request and the next.
  base::Duration gap() const noexcept { return base::Duration(static_cast<std::int64_t>(gap_ns_)); }

 private:
  long double gap_ns_;
};

}  // namespace loadcore::load
