#include <cerrno>
#include <utility>

#include "loadcore/counter/care.hpp"

namespace loadcore::counter {
namespace {

class InterruptibleFile final : public File {
 public:
  InterruptibleFile(std::unique_ptr<File> file, const std::function<bool()>& stop)
      : file_(std::move(file)), stop_(stop) {}

  IoResult write_at(std::uint64_t offset, std::string_view data) noexcept override {
    return file_->write_at(offset, data);
  }
  IoResult read_at(std::uint64_t offset, char* into, std::size_t size) noexcept override {
    return stop_() ? IoResult{0, ECANCELED} : file_->read_at(offset, into, size);
  }
  std::uint64_t size() noexcept override { return file_->size(); }
  int truncate(std::uint64_t size) noexcept override { return file_->truncate(size); }
  int sync() noexcept override { return file_->sync(); }

 private:
  std::unique_ptr<File> file_;
  const std::function<bool()>& stop_;
};

class InterruptibleDisk final : public Disk {
 public:
  InterruptibleDisk(std::unique_ptr<Disk> disk, std::function<bool()> stop)
      : disk_(std::move(disk)), stop_(std::move(stop)) {}

  Opened open_to_read(const std::string& name) noexcept override {
    return wrapped(disk_->open_to_read(name));
  }
  Opened open_to_change(const std::string& name) noexcept override {
    return wrapped(disk_->open_to_change(name));
  }
  Opened create(const std::string& name) noexcept override { return wrapped(disk_->create(name)); }
  int rename(const std::string& from, const std::string& to) noexcept override {
    return disk_->rename(from, to);
  }
  int remove(const std::string& name) noexcept override { return disk_->remove(name); }
  int sync_directory() noexcept override { return disk_->sync_directory(); }
  std::vector<std::string> list() override { return disk_->list(); }
  std::string describe() const override { return disk_->describe(); }

 private:
  Opened wrapped(Opened opened) noexcept {
    if (opened.file == nullptr) return opened;
    return {std::make_unique<InterruptibleFile>(std::move(opened.file), stop_), 0};
  }

  std::unique_ptr<Disk> disk_;
  std::function<bool()> stop_;
};

}  // namespace

std::unique_ptr<Disk> interruptible(std::unique_ptr<Disk> disk, std::function<bool()> stop) {
  return std::make_unique<InterruptibleDisk>(std::move(disk), std::move(stop));
}

}  // namespace loadcore::counter
