#pragma once

#include <chrono>
#include <thread>

namespace loadcore::test {

/// Waits for it, at most as long as the busiest machine takes; false where it does not come true.
/// For any thread, which Boost.Test's own checks are not.
template <typename Condition>
bool comes_true(const Condition& condition,
                std::chrono::seconds within = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + within;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace loadcore::test
