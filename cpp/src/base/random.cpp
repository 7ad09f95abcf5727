#include "loadcore/base/random.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace loadcore::base {

std::uint64_t random_number() {
  std::uint64_t bits = 0;
  if (getentropy(&bits, sizeof bits) != 0) {
    throw std::system_error(errno, std::generic_category(), "getentropy");
  }
  return bits;
}

}  // namespace loadcore::base
