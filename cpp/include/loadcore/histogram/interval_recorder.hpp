#pragma once

#include <cstdint>
#include <string>

#include "loadcore/histogram/histogram.hpp"

namespace loadcore::histogram {

/// Records durations interval by interval: each harvest() ends an interval and hands it out in a
/// few hundred bytes, while the total goes on. Two histograms of memory however long it runs.
///
/// Not thread-safe: one thread records, harvests and reads. What harvest() returned is a plain
/// string, which that thread may publish to others under a lock of its own.
class IntervalRecorder {
 public:
  /// Adds one observation to the interval under way; values are bounded as Histogram::record says.
  void record(std::int64_t value_ns) noexcept { interval_.record(value_ns); }
  void record(std::int64_t value_ns, std::uint64_t count) noexcept {
    interval_.record(value_ns, count);
  }

  /// Ends the interval under way, adds it to the total, begins the next one and returns the ended
  /// one as encode() writes it. If it throws (std::bad_alloc) nothing has changed.
  std::string harvest();

  /// The interval under way.
  const Histogram& interval() const noexcept { return interval_; }
  /// Everything recorded so far, the interval under way included: a copy.
  Histogram total() const;

 private:
  Histogram interval_;
  Histogram harvested_;
};

}  // namespace loadcore::histogram
