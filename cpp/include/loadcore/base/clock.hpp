#pragma once

#include <chrono>
#include <cstdint>

namespace loadcore::base {

/// Spans and instants are whole nanoseconds of CLOCK_MONOTONIC, which no clock adjustment moves.
/// Code that decides by time takes the instant as an argument, or asks the transport it runs on,
/// so that a test can run it on a simulated clock.
using Duration = std::chrono::nanoseconds;
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

inline TimePoint now() noexcept {
  return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}

constexpr double seconds(Duration span) noexcept {
  return static_cast<double>(span.count()) * 1e-9;
}

}  // namespace loadcore::base
