#pragma once

#include <cstdint>
#include <random>

#include "loadcore/counter/sip_hash.hpp"

namespace loadcore::counter {

inline std::uint64_t random_number() {
  std::random_device random;
  return std::uint64_t{random()} << 32 | random();
}

inline SipHash<> random_hash() {
  const std::uint64_t low = random_number();
  return {low, random_number()};
}

}  // namespace loadcore::counter
