#pragma once

#include <chrono>
#include <cstdint>

namespace loadcore::counter {

/// Milliseconds since 1970.
inline std::int64_t system_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace loadcore::counter
