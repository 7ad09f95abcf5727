#include "counter/file_window.hpp"

#include <system_error>

#include "loadcore/base/error.hpp"

namespace loadcore::counter {
namespace {

constexpr std::size_t read_ahead = 1024 * 1024;

[[noreturn]] void cannot_read(const Disk& disk, const std::string& name, int error) {
  throw base::RunError(disk.describe() + "/" + name + " cannot be read (" +
                       std::generic_category().message(error) +
                       "): check the disk and the file's permissions");
}

}  // namespace

FileWindow::FileWindow(Disk& disk, const std::string& name) : disk_(disk), name_(name) {
  auto opened = disk.open_to_read(name);
  if (opened.error != 0) cannot_read(disk, name, opened.error);
  file_ = std::move(opened.file);
  size_ = file_->size();
}

void FileWindow::fill(std::uint64_t offset, std::size_t bytes) {
  const auto want = static_cast<std::size_t>(
      std::min<std::uint64_t>(std::max(bytes, read_ahead), size_ - offset));
  if (buffer_.size() < want) buffer_.resize(want);
  const IoResult got = file_->read_at(offset, buffer_.data(), want);
  if (got.error != 0 || got.bytes < bytes) cannot_read(disk_, name_, got.error);
  from_ = offset;
  held_ = got.bytes;
}

}  // namespace loadcore::counter
