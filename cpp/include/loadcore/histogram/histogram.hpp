#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "loadcore/histogram/buckets.hpp"

namespace loadcore::histogram {

/// Counts of durations from 1 ns to 1 h with three significant digits, in fixed memory: 270 KB of
/// address space, of which only the pages that were recorded into are resident.
///
/// The buckets are those of HdrHistogram with lowest 1, highest 3.6e12 and 3 digits, so that counts
/// move between the two without loss: below 2048 ns every value has its own bucket, above that a
/// bucket is at most 1/1024 of its value wide. Merging, copying, comparing, resetting and reading
/// cost a walk over the buckets between the smallest and the largest observation, no more.
///
/// Not thread-safe: one owner at a time. Constructing and copying may throw std::bad_alloc, nothing
/// else fails. A histogram that was moved from may only be assigned to or destroyed.
class Histogram {
 public:
  static constexpr std::int64_t lowest_ns = 1;
  static constexpr std::int64_t highest_ns = 3'600'000'000'000;
  static constexpr int significant_digits = 3;
  /// Where the count of a bucket and the count of all of them stop: the encoding's signed 64 bits.
  static constexpr std::uint64_t count_max = std::numeric_limits<std::int64_t>::max();
  /// Three digits need 2 * 10^3 sub-buckets, rounded up to a power of two.
  static constexpr Buckets buckets{0, 11, highest_ns};

  /// One bucket that holds something.
  struct Bucket {
    std::int64_t lowest_ns;
    std::int64_t highest_ns;  ///< inclusive
    std::uint64_t count;
  };

  Histogram();
  Histogram(const Histogram& other);
  Histogram& operator=(const Histogram& other);
  Histogram(Histogram&& other) noexcept = default;
  Histogram& operator=(Histogram&& other) noexcept = default;
  ~Histogram() = default;

  /// Adds one observation of `value_ns`. A value outside the range is counted at its nearer end
  /// (0 or 1 h), so that nothing recorded is lost; min and max tell of it no closer than that.
  void record(std::int64_t value_ns) noexcept {
    const std::size_t index = index_of(value_ns);
    if (total_ >= count_max) [[unlikely]]
      return record(value_ns, 1);
    ++total_;
    ++counts_[index];  // at most total_, so it cannot pass the limit either
    if (index < first_) [[unlikely]]
      first_ = index;
    if (index > last_) [[unlikely]]
      last_ = index;
  }

  /// Adds `count` observations at once; counts stop at count_max, they never wrap.
  void record(std::int64_t value_ns, std::uint64_t count) noexcept;

  /// Adds every count of `other`: exactly what recording both into one would have given.
  void merge(const Histogram& other) noexcept;

  void reset() noexcept;

  /// The highest value equivalent to that of the observation at `percentile`: the smallest value
  /// such that at least that share of all observations is no larger. At 0 it is min(), as it is
  /// below 0 and for NaN; above 100 it is max(). In ns; 0 when empty.
  std::int64_t value_at_percentile(double percentile) const noexcept;

  /// The same for several percentiles, in any order, in one walk.
  std::vector<std::int64_t> values_at_percentiles(std::span<const double> percentiles) const;

  /// Observations from `low_ns` to `high_ns`, both included, to the precision of the buckets that
  /// they lie in. Ends outside the range stand for its nearer end; 0 if low_ns > high_ns.
  std::uint64_t count_between(std::int64_t low_ns, std::int64_t high_ns) const noexcept;

  /// Mean over the buckets' middles, in ns; 0 when empty.
  double mean() const noexcept;
  /// Standard deviation of the population over the buckets' middles, in ns; 0 when empty.
  double stddev() const noexcept;

  std::uint64_t count() const noexcept { return total_; }
  bool empty() const noexcept { return total_ == 0; }
  /// The lowest value equivalent to the smallest observation, in ns; 0 when empty.
  std::int64_t min() const noexcept { return empty() ? 0 : lowest_of(first_); }
  /// The highest value equivalent to the largest observation, in ns; 0 when empty.
  std::int64_t max() const noexcept { return empty() ? 0 : highest_of(last_); }

  /// Calls `visit(const Bucket&)` for every bucket that holds something, in ascending order.
  template <typename Visit>
  void for_each_bucket(Visit&& visit) const {
    for (std::size_t index = first_; index <= last_; ++index) {
      if (counts_[index] == 0) continue;
      visit(Bucket{lowest_of(index), highest_of(index), counts_[index]});
    }
  }

  /// Counts by bucket, as HdrHistogram's counts array orders them, up to the last that holds
  /// something. A view: any change to this histogram ends it.
  std::span<const std::uint64_t> counts() const noexcept {
    return {counts_.get(), empty() ? 0 : last_ + 1};
  }
  /// The first bucket that holds something; buckets.size() when empty.
  std::size_t first_index() const noexcept { return first_; }

  bool operator==(const Histogram& other) const noexcept;

  /// The bucket that `value_ns` is counted in.
  static constexpr std::size_t index_of(std::int64_t value_ns) noexcept {
    auto value = static_cast<std::uint64_t>(value_ns);  // a negative one is above any positive
    if (value > highest_ns) [[unlikely]]
      value = value_ns < 0 ? 0 : highest_ns;
    return buckets.index_of(value);
  }
  /// The smallest value of bucket `index`, in ns.
  static constexpr std::int64_t lowest_of(std::size_t index) noexcept {
    return static_cast<std::int64_t>(buckets.lowest_of(index));
  }
  /// The largest value of bucket `index`, in ns.
  static constexpr std::int64_t highest_of(std::size_t index) noexcept {
    return static_cast<std::int64_t>(buckets.lowest_of(index) + buckets.width_of(index) - 1);
  }

 private:
  struct Free {
    void operator()(std::uint64_t* counts) const noexcept { std::free(counts); }
  };

  // From calloc and not from new, so that pages nobody records into are never made resident.
  std::unique_ptr<std::uint64_t[], Free> counts_;
  std::uint64_t total_ = 0;
  // The buckets of the smallest and the largest observation: counts only grow until a reset, so
  // both always hold something. Crossed over when empty.
  std::size_t first_ = buckets.size();
  std::size_t last_ = 0;
};

}  // namespace loadcore::histogram
