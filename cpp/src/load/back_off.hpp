#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

#include "loadcore/base/clock.hpp"

namespace loadcore::load {

/// How long a connection rests after `failures` in a row: not at all after the first, since a
/// target may close a connection that has served long enough; then 10 ms, 20 ms and so on up to a
/// second, a quarter more or less, so that connections that broke together do not return together.
template <typename Random>
base::Duration back_off(std::uint32_t failures, Random& random) {
  if (failures < 2) return base::Duration(0);
  constexpr base::Duration first = std::chrono::milliseconds(10);
  constexpr base::Duration longest = std::chrono::seconds(1);
  const base::Duration middle =
      std::min<base::Duration>(longest, first * (1LL << std::min(failures - 2, 10U)));
  std::uniform_real_distribution<double> factor(0.75, 1.25);
  return base::Duration(
      static_cast<std::int64_t>(static_cast<double>(middle.count()) * factor(random)));
}

}  // namespace loadcore::load
