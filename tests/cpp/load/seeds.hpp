#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>

namespace loadcore::load::simulated {

/// A sanitizer makes each run some ten times slower, and needs fewer of them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::uint64_t seeds = 100;
#else
inline constexpr std::uint64_t seeds = 600;
#endif

/// Whether one seed is replayed.
inline bool replaying() { return std::getenv("LOADCORE_SEED") != nullptr; }

/// Calls `check` with the seeds `first` to `last`, or with LOADCORE_SEED alone where that is set:
/// a failure names its seed, and setting it replays exactly that run.
inline void for_each_seed(std::uint64_t first, std::uint64_t last,
                          const std::function<void(std::uint64_t)>& check) {
  if (const char* given = std::getenv("LOADCORE_SEED")) {
    first = last = std::stoull(given);
  }
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    BOOST_TEST_CONTEXT("LOADCORE_SEED=" << seed) { check(seed); }
  }
}

}  // namespace loadcore::load::simulated
