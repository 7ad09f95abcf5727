#include "loadcore/histogram/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace loadcore::histogram {
namespace {

// Three significant digits need 2 * 10^3 sub-buckets, rounded up to a power of two. Every bucket
// after the first shares its lower half with the one before, so only its upper half is stored.
constexpr int sub_bucket_bits = 11;
constexpr std::int64_t sub_bucket_count = std::int64_t{1} << sub_bucket_bits;
constexpr std::int64_t sub_bucket_half = sub_bucket_count / 2;

constexpr int bucket_of(std::int64_t value) noexcept {
  return std::bit_width(static_cast<std::uint64_t>(value | (sub_bucket_count - 1))) - sub_bucket_bits;
}

constexpr std::size_t index_in_range(std::int64_t value) noexcept {
  const int bucket = bucket_of(value);
  return static_cast<std::size_t>(bucket * sub_bucket_half + (value >> bucket));
}

constexpr int buckets = bucket_of(Histogram::highest_ns) + 1;
constexpr std::size_t size = static_cast<std::size_t>((buckets + 1) * sub_bucket_half);

constexpr int bucket_at(std::size_t index) noexcept {
  return std::max(0, static_cast<int>(index / sub_bucket_half) - 1);
}

}  // namespace

Histogram::Histogram() : counts_(size) {}

std::size_t Histogram::index_of(std::int64_t value_ns) noexcept {
  return index_in_range(std::clamp<std::int64_t>(value_ns, 0, highest_ns));
}

std::int64_t Histogram::lowest_of(std::size_t index) noexcept {
  const int bucket = bucket_at(index);
  return (static_cast<std::int64_t>(index) - bucket * sub_bucket_half) << bucket;
}

std::int64_t Histogram::highest_of(std::size_t index) noexcept {
  return lowest_of(index) + (std::int64_t{1} << bucket_at(index)) - 1;
}

void Histogram::record(std::int64_t value_ns, std::uint64_t count) noexcept {
  counts_[index_of(value_ns)] += count;
  total_ += count;
}

void Histogram::merge(const Histogram& other) noexcept {
  for (std::size_t index = 0; index < size; ++index) counts_[index] += other.counts_[index];
  total_ += other.total_;
}

void Histogram::reset() noexcept {
  std::ranges::fill(counts_, 0);
  total_ = 0;
}

std::int64_t Histogram::value_at_percentile(double percentile) const noexcept {
  if (total_ == 0) return 0;
  // One step down first, as HdrHistogram does: 99.9 has no exact double, and the ceiling of a
  // product a hair above a whole number would ask for one observation too many.
  const double asked = std::clamp(std::nextafter(percentile, 0.0), 0.0, 100.0);
  const auto wanted = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(asked * static_cast<double>(total_) / 100.0)));
  std::uint64_t seen = 0;
  for (std::size_t index = 0; index < size; ++index) {
    seen += counts_[index];
    if (seen >= wanted) return highest_of(index);
  }
  return max();
}

double Histogram::mean() const noexcept {
  if (total_ == 0) return 0.0;
  double sum = 0.0;
  for (std::size_t index = 0; index < size; ++index) {
    if (counts_[index] == 0) continue;
    const auto middle = lowest_of(index) + (std::int64_t{1} << bucket_at(index)) / 2;
    sum += static_cast<double>(middle) * static_cast<double>(counts_[index]);
  }
  return sum / static_cast<double>(total_);
}

std::int64_t Histogram::min() const noexcept {
  const auto first = std::ranges::find_if(counts_, [](auto count) { return count != 0; });
  return first == counts_.end() ? 0 : lowest_of(static_cast<std::size_t>(first - counts_.begin()));
}

std::int64_t Histogram::max() const noexcept {
  for (std::size_t index = size; index-- > 0;) {
    if (counts_[index] != 0) return highest_of(index);
  }
  return 0;
}

}  // namespace loadcore::histogram
