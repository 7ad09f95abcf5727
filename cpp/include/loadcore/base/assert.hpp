#pragma once

namespace loadcore::base {

/// Prints the broken condition with its place on stderr and aborts.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace loadcore::base

/// A programmer's mistake, never a user's: stays on in release, so keep it off the hot path.
#define LOADCORE_ASSERT(condition) \
  ((condition) ? void(0) : ::loadcore::base::assertion_failed(#condition, __FILE__, __LINE__))
