#include "load/schedule.hpp"

namespace loadcore::load {

std::uint64_t Schedule::count_before(base::Duration instant) const noexcept {
  if (instant.count() <= 0) return 0;
  auto count = static_cast<std::uint64_t>(static_cast<long double>(instant.count()) / gap_ns_);
  // The quotient is rounded; the answer has to agree with intended() to the nanosecond.
  while (count > 0 && intended(count - 1) >= instant) --count;
  while (intended(count) < instant) ++count;
  return count;
}

}  // namespace loadcore::load
