#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace loadcore::histogram {

/// How HdrHistogram (hdrhistogram.org) cuts the values from 0 to `highest` into buckets.
///
/// A bucket of the first 2^sub_bucket_bits is 2^unit_bits wide; from there on the width doubles
/// with the value, so that a bucket is never wider than its value divided by
/// 2^(sub_bucket_bits - 1). Each doubling shares its lower half with the one before and stores only
/// the upper. An immutable value; safe from any thread.
class Buckets {
 public:
  /// `unit_bits` + `sub_bucket_bits` is at most 62, `sub_bucket_bits` at least 1.
  constexpr Buckets(unsigned unit_bits, unsigned sub_bucket_bits, std::uint64_t highest) noexcept
      : unit_bits_(unit_bits),
        half_bits_(sub_bucket_bits - 1),
        mask_(((std::uint64_t{1} << sub_bucket_bits) - 1) << unit_bits),
        size_(std::size_t{doubling_of(highest) + 2} << half_bits_) {}

  constexpr std::size_t size() const noexcept { return size_; }

  /// The bucket of `value`; below size() as long as `value` is at most `highest`.
  constexpr std::size_t index_of(std::uint64_t value) const noexcept {
    const unsigned doubling = doubling_of(value);
    return (std::size_t{doubling} << half_bits_) + (value >> (doubling + unit_bits_));
  }

  /// The smallest value of bucket `index`, which is below size().
  constexpr std::uint64_t lowest_of(std::size_t index) const noexcept {
    const unsigned doubling = doubling_at(index);
    return (index - (std::size_t{doubling} << half_bits_)) << (doubling + unit_bits_);
  }

  /// How many values share bucket `index`: a power of two.
  constexpr std::uint64_t width_of(std::size_t index) const noexcept {
    return std::uint64_t{1} << (doubling_at(index) + unit_bits_);
  }

  /// Where HdrHistogram takes the observations of bucket `index` to be for means.
  constexpr std::uint64_t middle_of(std::size_t index) const noexcept {
    return lowest_of(index) + width_of(index) / 2;
  }

 private:
  // The position of the highest bit, which the mask keeps from being too low, less that of the
  // first doubling's. The exclusive or is the subtraction that compilers reduce to one instruction.
  constexpr unsigned doubling_of(std::uint64_t value) const noexcept {
    return (63U ^ static_cast<unsigned>(std::countl_zero(value | mask_))) -
           (half_bits_ + unit_bits_);
  }
  constexpr unsigned doubling_at(std::size_t index) const noexcept {
    return std::max(1U, static_cast<unsigned>(index >> half_bits_)) - 1;
  }

  unsigned unit_bits_;
  unsigned half_bits_;
  std::uint64_t mask_;
  std::size_t size_;
};

}  // namespace loadcore::histogram
