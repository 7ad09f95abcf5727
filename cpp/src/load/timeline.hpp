#pragma once

#include <algorithm>
#include <cstdint>

#include "loadcore/base/clock.hpp"

namespace loadcore::load {

/// Where the rows of a timeline begin and end, the same for every thread. The first 3,600 are
/// `interval` long, the next 3,600 twice that, and so on, so that a run of any length has a bounded
/// number of them. The row in which sending ends goes on for one length more, so that the last
/// answers do not make a row of a millisecond.
class Timeline {
 public:
  static constexpr std::uint32_t rows_before_doubling = 3600;

  /// `sending_end` is where the plan says that sending ends; Duration::max() where it does not.
  Timeline(base::Duration interval, base::Duration sending_end) noexcept
      : interval_(interval), sending_end_(sending_end) {}

  /// End of the row number `row` that begins at `start`, both since the start of what is measured.
  base::Duration end(std::uint32_t row, base::Duration start) const noexcept {
    const base::Duration length = interval_ * (1LL << std::min(row / rows_before_doubling, 20U));
    const base::Duration end = start + length;
    return start < sending_end_ && sending_end_ <= end ? sending_end_ + length : end;
  }

 private:
  base::Duration interval_;
  base::Duration sending_end_;
};

}  // namespace loadcore::load
