#pragma once

#include <cstdint>

namespace loadcore::base {

/// 64 bits that nobody can guess, from the kernel (getentropy(3)): for keys and salts. Not from
/// std::random_device: its GCC implementation would tie the wheel to the newest C library.
/// Throws std::system_error where the kernel has none.
std::uint64_t random_number();

}  // namespace loadcore::base
