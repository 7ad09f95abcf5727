#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "loadcore/base/error.hpp"
#include "loadcore/counter/disk.hpp"

namespace loadcore::counter {
namespace {

constexpr const char* lock_name = "LOCK";
constexpr mode_t file_mode = 0640;

class Descriptor {
 public:
  explicit Descriptor(int value = -1) noexcept : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  int get() const noexcept { return value_; }

 private:
  int value_;
};

class PosixFile final : public File {
 public:
  explicit PosixFile(Descriptor descriptor) noexcept : descriptor_(std::move(descriptor)) {}

  IoResult write_at(std::uint64_t offset, std::string_view data) noexcept override {
    ssize_t written = 0;
    do {
      written = ::pwrite(descriptor_.get(), data.data(), data.size(), static_cast<off_t>(offset));
    } while (written < 0 && errno == EINTR);
    if (written < 0) return {0, errno};
    return {static_cast<std::size_t>(written), 0};
  }

  IoResult read_at(std::uint64_t offset, char* into, std::size_t size) noexcept override {
    std::size_t done = 0;
    while (done < size) {
      const ssize_t got =
          ::pread(descriptor_.get(), into + done, size - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return {done, errno};
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return {done, 0};
  }

  std::uint64_t size() noexcept override {
    struct stat found{};
    return ::fstat(descriptor_.get(), &found) == 0 ? static_cast<std::uint64_t>(found.st_size) : 0;
  }

  int truncate(std::uint64_t size) noexcept override {
    return ::ftruncate(descriptor_.get(), static_cast<off_t>(size)) == 0 ? 0 : errno;
  }

  int sync() noexcept override { return ::fdatasync(descriptor_.get()) == 0 ? 0 : errno; }

 private:
  Descriptor descriptor_;
};

class PosixDisk final : public Disk {
 public:
  PosixDisk(std::string path, Descriptor directory, Descriptor lock) noexcept
      : path_(std::move(path)), directory_(std::move(directory)), lock_(std::move(lock)) {}

  Opened open_to_read(const std::string& name) noexcept override { return open(name, O_RDONLY); }
  Opened open_to_change(const std::string& name) noexcept override { return open(name, O_RDWR); }
  Opened create(const std::string& name) noexcept override {
    return open(name, O_RDWR | O_CREAT | O_TRUNC);
  }

  int rename(const std::string& from, const std::string& to) noexcept override {
    return ::renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()) == 0 ? 0
                                                                                         : errno;
  }
  int remove(const std::string& name) noexcept override {
    return ::unlinkat(directory_.get(), name.c_str(), 0) == 0 ? 0 : errno;
  }
  int sync_directory() noexcept override { return ::fsync(directory_.get()) == 0 ? 0 : errno; }

  std::vector<std::string> list() override {
    // By the descriptor: the path may be relative, and the process somewhere else by now.
    const int again = ::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* const directory = again < 0 ? nullptr : ::fdopendir(again);
    if (directory == nullptr) {
      const int error = errno;
      if (again >= 0) ::close(again);
      cannot_list(error);
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> closer(directory, ::closedir);
    std::vector<std::string> names;
    while (true) {
      errno = 0;
      // Of a stream that no other thread has, readdir is safe (readdir(3)).
      const dirent* const entry = ::readdir(directory);  // NOLINT(concurrency-mt-unsafe)
      if (entry == nullptr) {
        if (errno != 0) cannot_list(errno);
        break;
      }
      if (is_file(entry->d_name) && std::string_view(entry->d_name) != lock_name) {
        names.emplace_back(entry->d_name);
      }
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  std::string describe() const override { return path_; }

 private:
  bool is_file(const char* name) const {
    struct stat found{};
    if (::fstatat(directory_.get(), name, &found, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return false;  // removed since
      cannot_list(errno);
    }
    return S_ISREG(found.st_mode);
  }

  [[noreturn]] void cannot_list(int error) const {
    throw base::RunError("the data directory " + path_ + " cannot be listed (" +
                         std::generic_category().message(error) +
                         "): check the disk and the directory's permissions");
  }

  Opened open(const std::string& name, int flags) noexcept {
    Descriptor descriptor(
        ::openat(directory_.get(), name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, file_mode));
    if (descriptor.get() < 0) return {nullptr, errno};
    return {std::make_unique<PosixFile>(std::move(descriptor)), 0};
  }

  std::string path_;
  Descriptor directory_;
  Descriptor lock_;
};

[[noreturn]] void refuse(const std::string& path, const std::string& problem) {
  throw base::RunError("the data directory " + path + " " + problem);
}

std::string reason(int error) { return std::generic_category().message(error); }

/// Names in directory `path` survive a loss of power. Whoever may not read it had no part in them.
int sync_names(const std::filesystem::path& path) {
  const Descriptor directory(
      ::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return directory.get() >= 0 && ::fsync(directory.get()) != 0 ? errno : 0;
}

/// Makes it with every directory above it that is missing, so that all of them stay.
void make_directory(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.parent_path();
  std::error_code error;
  if (!parent.empty() && !std::filesystem::exists(parent, error)) make_directory(parent);
  std::filesystem::create_directory(path, error);
  if (error && !std::filesystem::is_directory(path)) {
    refuse(path.string(), "cannot be made (" + error.message() + "): choose another with --data");
  }
  if (const int failed = sync_names(parent); failed != 0) {
    refuse(path.string(),
           "cannot be made safe (" + reason(failed) + "): choose another with --data");
  }
}

Descriptor take_lock(const std::string& path, const Descriptor& directory) {
  Descriptor lock(
      ::openat(directory.get(), lock_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, file_mode));
  if (lock.get() < 0) {
    refuse(path, "cannot be written to (" + reason(errno) +
                     "): give it to the user that runs the service");
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    refuse(path,
           errno == EWOULDBLOCK
               ? "is in use by another process: stop that one first, or choose another directory"
               : "cannot be locked (" + reason(errno) + "): put it on a local file system");
  }
  return lock;
}

}  // namespace

std::unique_ptr<Disk> open_disk(const std::string& path, DiskUse use) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_directory(status)) {
    refuse(path, "is a file: name a directory");
  }
  if (!std::filesystem::exists(status)) {
    if (use != DiskUse::serve) refuse(path, "does not exist: check its name");
    make_directory(path);
  }
  Descriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) {
    refuse(path,
           "cannot be opened (" + reason(errno) + "): give it to the user that runs the service");
  }
  Descriptor lock = take_lock(path, directory);
  // Whoever made it may have died before this; if it does not work, it was not this process.
  sync_names(std::filesystem::path(path).parent_path());
  return std::make_unique<PosixDisk>(path, std::move(directory), std::move(lock));
}

}  // namespace loadcore::counter
