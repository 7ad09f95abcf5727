#include "loadcore/base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace loadcore::base {

void assertion_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "loadcore: assertion failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace loadcore::base
