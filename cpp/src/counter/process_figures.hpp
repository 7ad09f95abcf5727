#pragma once

#include <cstdint>

namespace loadcore::counter {

/// Of this process, from /proc; 0 for what cannot be read there.
struct ProcessFigures {
  double start_unix_s = 0;
  double cpu_s = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t descriptors = 0;
  std::uint64_t descriptors_max = 0;
};
ProcessFigures process_figures();

}  // namespace loadcore::counter
