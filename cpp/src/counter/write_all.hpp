#pragma once

#include <cerrno>
#include <cstdint>
#include <string_view>

#include "loadcore/counter/disk.hpp"

namespace loadcore::counter {

/// Writes all of `data`, however many calls that takes; errno's value.
inline int write_all(File& file, std::uint64_t offset, std::string_view data) noexcept {
  while (!data.empty()) {
    const IoResult written = file.write_at(offset, data);
    if (written.error != 0) return written.error;
    if (written.bytes == 0) return EIO;
    offset += written.bytes;
    data.remove_prefix(written.bytes);
  }
  return 0;
}

}  // namespace loadcore::counter
