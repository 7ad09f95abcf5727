#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace loadcore::counter {

/// What a call on a file did: bytes moved before the end or the error, and errno's value (0: none).
struct IoResult {
  std::size_t bytes = 0;
  int error = 0;
};

/// One open file. Not thread-safe; closed by its destructor.
class File {
 public:
  virtual ~File() = default;
  /// May write less than all of `data`, with or without an error.
  virtual IoResult write_at(std::uint64_t offset, std::string_view data) noexcept = 0;
  /// Reads up to `size` bytes; fewer without an error means that the file ends there.
  virtual IoResult read_at(std::uint64_t offset, char* into, std::size_t size) noexcept = 0;
  virtual std::uint64_t size() noexcept = 0;
  /// errno's value, 0 for success: so for all calls below that return int.
  virtual int truncate(std::uint64_t size) noexcept = 0;
  /// The bytes written so far and the file's length survive a loss of power once this returned 0
  /// (fdatasync). After an error nothing is known of any of them, and trying again proves nothing.
  virtual int sync() noexcept = 0;
};

/// The files of one directory: the seam under everything durable. Tests put a simulated disk that
/// loses power here. A file's name survives only after sync_directory(). Any thread may call.
class Disk {
 public:
  virtual ~Disk() = default;
  struct Opened {
    std::unique_ptr<File> file;  ///< null on error
    int error = 0;
  };
  virtual Opened open_to_read(const std::string& name) noexcept = 0;
  virtual Opened open_to_change(const std::string& name) noexcept = 0;
  /// A new and empty file, in the place of one of that name.
  virtual Opened create(const std::string& name) noexcept = 0;
  virtual int rename(const std::string& from, const std::string& to) noexcept = 0;
  virtual int remove(const std::string& name) noexcept = 0;
  virtual int sync_directory() noexcept = 0;
  /// Names of the regular files there are, sorted. Throws base::RunError where the directory cannot
  /// be read: a file left out would be a count left out.
  virtual std::vector<std::string> list() = 0;
  /// What errors call the directory: its path.
  virtual std::string describe() const = 0;
};

enum class DiskUse : std::uint8_t {
  serve,  ///< the directory is made where it is missing
  care,   ///< it has to be there
};

/// The real directory at `path`, locked against every other process for as long as the Disk lives.
/// Throws base::RunError, one sentence, where it is a file, cannot be made, written or read, or is
/// locked already; nothing there has changed then.
std::unique_ptr<Disk> open_disk(const std::string& path, DiskUse use);

}  // namespace loadcore::counter
