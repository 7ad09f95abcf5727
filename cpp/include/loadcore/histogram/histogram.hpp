#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace loadcore::histogram {

/// Counts of durations from 1 ns to 1 h with three significant digits, in fixed memory (270 KB).
///
/// The buckets are those of HdrHistogram (hdrhistogram.org; lowest 1, highest 3.6e12, 3 digits), so
/// that counts move between the two without loss: below 2048 ns every value has its own bucket,
/// above that a bucket is at most 1/1024 of its value wide. Not thread-safe: one owner at a time.
class Histogram {
 public:
  static constexpr std::int64_t lowest_ns = 1;
  static constexpr std::int64_t highest_ns = 3'600'000'000'000;
  static constexpr int significant_digits = 3;

  Histogram();

  /// Adds `count` observations of `value_ns`. Values outside the range are counted at its nearer
  /// end, so that nothing recorded is lost; min and max tell of them no closer than that.
  void record(std::int64_t value_ns, std::uint64_t count = 1) noexcept;

  /// Adds every count of `other`: exactly what recording both into one would have given.
  void merge(const Histogram& other) noexcept;

  void reset() noexcept;

  /// The highest value equivalent to that of the observation at `percentile` (0 to 100): the
  /// smallest value such that at least that share of all observations is no larger. 0 when empty.
  std::int64_t value_at_percentile(double percentile) const noexcept;

  /// Mean over the buckets' middles, in ns; 0 when empty.
  double mean() const noexcept;

  std::uint64_t count() const noexcept { return total_; }
  /// The lowest value equivalent to the smallest observation, in ns; 0 when empty.
  std::int64_t min() const noexcept;
  /// The highest value equivalent to the largest observation, in ns; 0 when empty.
  std::int64_t max() const noexcept;

  /// Counts by bucket, as HdrHistogram's counts array orders them.
  const std::vector<std::uint64_t>& counts() const noexcept { return counts_; }

  bool operator==(const Histogram& other) const noexcept = default;

  static std::size_t index_of(std::int64_t value_ns) noexcept;
  /// The smallest value of bucket `index`, in ns.
  static std::int64_t lowest_of(std::size_t index) noexcept;
  /// The largest value of bucket `index`, in ns.
  static std::int64_t highest_of(std::size_t index) noexcept;

 private:
  std::vector<std::uint64_t> counts_;
  std::uint64_t total_ = 0;
};

}  // namespace loadcore::histogram
