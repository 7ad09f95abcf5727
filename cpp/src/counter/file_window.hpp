#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "loadcore/counter/disk.hpp"

namespace loadcore::counter {

/// A file read front to back through one buffer, which grows to the largest piece asked for.
class FileWindow {
 public:
  /// Throws base::RunError where the file cannot be read; so does at().
  FileWindow(Disk& disk, const std::string& name);

  std::uint64_t size() const noexcept { return size_; }

  /// Up to `bytes` bytes from `offset`, fewer only where the file ends; valid until the next call.
  std::string_view at(std::uint64_t offset, std::size_t bytes) {
    bytes =
        static_cast<std::size_t>(std::min<std::uint64_t>(bytes, size_ - std::min(size_, offset)));
    if (bytes == 0) return {};
    if (offset < from_ || offset + bytes > from_ + held_) fill(offset, bytes);
    return std::string_view(buffer_).substr(offset - from_, bytes);
  }

 private:
  void fill(std::uint64_t offset, std::size_t bytes);

  Disk& disk_;
  std::string name_;
  std::unique_ptr<File> file_;
  std::uint64_t size_ = 0;
  std::string buffer_;
  std::uint64_t from_ = 0;
  std::size_t held_ = 0;
};

}  // namespace loadcore::counter
