#include "loadcore/histogram/histogram.hpp"

#include <cmath>
#include <new>
#include <utility>

namespace loadcore::histogram {
namespace {

// Both sides are at most count_max, half of what the type holds, so the sum itself cannot wrap.
constexpr std::uint64_t saturating_add(std::uint64_t left, std::uint64_t right) noexcept {
  return std::min(left + right, Histogram::count_max);
}

// Which observation, counted from 1 in ascending order, stands at a percentile above 0 and below
// 100. The largest totals have no exact double: there it may be off by a hair, even above the
// total.
std::uint64_t rank_at(double percentile, std::uint64_t total) noexcept {
  // One step down first, as HdrHistogram does: 99.9 has no exact double, and the ceiling of a
  // product a hair above a whole number would ask for one observation too many.
  const double asked = std::nextafter(percentile, 0.0);
  const double rank = std::ceil(asked * static_cast<double>(total) / 100.0);
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(rank));
}

}  // namespace

Histogram::Histogram()
    : counts_(static_cast<std::uint64_t*>(std::calloc(buckets.size(), sizeof(std::uint64_t)))) {
  if (!counts_) throw std::bad_alloc();
}

Histogram::Histogram(const Histogram& other) : Histogram() { merge(other); }

Histogram& Histogram::operator=(const Histogram& other) {
  if (this == &other) return *this;
  if (!counts_) return *this = Histogram(other);
  reset();
  merge(other);
  return *this;
}

void Histogram::record(std::int64_t value_ns, std::uint64_t count) noexcept {
  if (count == 0) return;
  const std::size_t index = index_of(value_ns);
  count = std::min(count, count_max);
  counts_[index] = saturating_add(counts_[index], count);
  total_ = saturating_add(total_, count);
  first_ = std::min(first_, index);
  last_ = std::max(last_, index);
}

void Histogram::merge(const Histogram& other) noexcept {
  for (std::size_t index = other.first_; index <= other.last_; ++index) {
    if (other.counts_[index] == 0) continue;
    counts_[index] = saturating_add(counts_[index], other.counts_[index]);
  }
  total_ = saturating_add(total_, other.total_);
  first_ = std::min(first_, other.first_);
  last_ = std::max(last_, other.last_);
}

void Histogram::reset() noexcept {
  for (std::size_t index = first_; index <= last_; ++index) counts_[index] = 0;
  total_ = 0;
  first_ = buckets.size();
  last_ = 0;
}

std::int64_t Histogram::value_at_percentile(double percentile) const noexcept {
  if (!(percentile > 0.0)) return min();  // NaN too
  if (percentile >= 100.0 || empty()) return max();
  const std::uint64_t rank = rank_at(percentile, total_);
  std::size_t index = first_;
  std::uint64_t seen = counts_[index];
  while (seen < rank && index < last_) seen += counts_[++index];
  return highest_of(index);
}

std::vector<std::int64_t> Histogram::values_at_percentiles(
    std::span<const double> percentiles) const {
  std::vector<std::int64_t> values(percentiles.size(), 0);
  if (empty()) return values;
  std::vector<std::pair<std::uint64_t, std::size_t>> ranks;  // and where in `percentiles`
  ranks.reserve(percentiles.size());
  for (std::size_t at = 0; at < percentiles.size(); ++at) {
    const double percentile = percentiles[at];
    if (percentile > 0.0 && percentile < 100.0) {
      ranks.emplace_back(rank_at(percentile, total_), at);
    } else {
      values[at] = percentile >= 100.0 ? max() : min();
    }
  }
  std::ranges::sort(ranks);
  std::size_t index = first_;
  std::uint64_t seen = counts_[index];
  for (const auto& [rank, at] : ranks) {
    while (seen < rank && index < last_) seen += counts_[++index];
    values[at] = highest_of(index);
  }
  return values;
}

std::uint64_t Histogram::count_between(std::int64_t low_ns, std::int64_t high_ns) const noexcept {
  if (low_ns > high_ns) return 0;
  const std::size_t end = std::min(index_of(high_ns), last_) + 1;
  std::uint64_t sum = 0;
  for (std::size_t index = std::max(index_of(low_ns), first_); index < end; ++index) {
    sum = saturating_add(sum, counts_[index]);
  }
  return sum;
}

double Histogram::mean() const noexcept {
  if (empty()) return 0.0;
  double sum = 0.0;
  double weight = 0.0;  // not total_, which may have stopped at its limit
  for (std::size_t index = first_; index <= last_; ++index) {
    if (counts_[index] == 0) continue;
    const auto count = static_cast<double>(counts_[index]);
    sum += static_cast<double>(buckets.middle_of(index)) * count;
    weight += count;
  }
  return sum / weight;
}

double Histogram::stddev() const noexcept {
  if (empty()) return 0.0;
  const double center = mean();
  double sum = 0.0;
  double weight = 0.0;
  for (std::size_t index = first_; index <= last_; ++index) {
    if (counts_[index] == 0) continue;
    const double deviation = static_cast<double>(buckets.middle_of(index)) - center;
    const auto count = static_cast<double>(counts_[index]);
    sum += deviation * deviation * count;
    weight += count;
  }
  return std::sqrt(sum / weight);
}

bool Histogram::operator==(const Histogram& other) const noexcept {
  return total_ == other.total_ && first_ == other.first_ && last_ == other.last_ &&
         (empty() || std::equal(&counts_[first_], &counts_[last_] + 1, &other.counts_[first_]));
}

}  // namespace loadcore::histogram
