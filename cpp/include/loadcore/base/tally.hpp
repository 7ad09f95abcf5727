#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "loadcore/base/clock.hpp"

namespace loadcore::base {

/// A count that one thread adds to and any thread reads: no locked instruction.
class Tally {
 public:
  void add(std::uint64_t by = 1) noexcept { value_.store(get() + by, std::memory_order_relaxed); }
  std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// How many spans fell into which bucket, for monitoring: coarse, a few words of memory. (The
/// histogram module is for what is reported.)
struct SpanCounts {
  /// The longest span of each bucket but the last, which takes the rest.
  static constexpr std::array<Duration, 19> bounds{
      std::chrono::microseconds(5),    std::chrono::microseconds(10),
      std::chrono::microseconds(25),   std::chrono::microseconds(50),
      std::chrono::microseconds(100),  std::chrono::microseconds(250),
      std::chrono::microseconds(500),  std::chrono::milliseconds(1),
      std::chrono::microseconds(2500), std::chrono::milliseconds(5),
      std::chrono::milliseconds(10),   std::chrono::milliseconds(25),
      std::chrono::milliseconds(50),   std::chrono::milliseconds(100),
      std::chrono::milliseconds(250),  std::chrono::milliseconds(500),
      std::chrono::seconds(1),         std::chrono::milliseconds(2500),
      std::chrono::seconds(5)};

  std::array<std::uint64_t, bounds.size() + 1> counts{};  ///< each span once
  Duration sum{0};
};

/// SpanCounts in the making: one thread records, any thread reads.
class SpanTally {
 public:
  void record(Duration span) noexcept {
    std::size_t bucket = 0;
    while (bucket < SpanCounts::bounds.size() && span > SpanCounts::bounds[bucket]) ++bucket;
    counts_[bucket].add();
    if (span > Duration(0)) sum_ns_.add(static_cast<std::uint64_t>(span.count()));
  }

  void add_to(SpanCounts& counts) const noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts.counts[i] += counts_[i].get();
    counts.sum += Duration(static_cast<Duration::rep>(sum_ns_.get()));
  }

 private:
  std::array<Tally, SpanCounts::bounds.size() + 1> counts_;
  Tally sum_ns_;
};

}  // namespace loadcore::base
