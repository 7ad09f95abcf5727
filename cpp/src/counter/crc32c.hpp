#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loadcore::counter {

/// CRC-32C (Castagnoli; RFC 3720 appendix B.4) of `data`, continuing from `crc`, which is 0 for a
/// new one. By the processor's instruction where it has one.
std::uint32_t crc32c(std::string_view data, std::uint32_t crc = 0) noexcept;

/// The same without that instruction, so that a test can hold the two against each other.
std::uint32_t crc32c_portable(std::string_view data, std::uint32_t crc = 0) noexcept;

}  // namespace loadcore::counter
