#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "counter/frame.hpp"
#include "loadcore/counter/disk.hpp"

namespace loadcore::counter {

/// Writes the log: frames into the segment under way. One thread at a time.
class Journal {
 public:
  /// `sync` says whether append() waits for the disk. Nothing is written before rotate().
  Journal(Disk& disk, bool sync, std::uint64_t next_sequence);

  /// Begins a new segment unless the one under way is empty; everything appended so far is in those
  /// before. Until the first one there is nothing to append to. Returns errno's value; on error it
  /// goes on with the old one, unless it has failed().
  int rotate(std::int64_t unix_ms);
  /// Nobody knows what the disk has now: nothing can be appended any more.
  bool failed() const noexcept { return failed_; }

  enum class Appended : std::uint8_t {
    kept,     ///< as safe as `sync` promises
    refused,  ///< no room on the disk: not in the log; a later one may fit again
    failed,   ///< as failed() says
  };
  /// Finishes the frame that `builder` holds as the next one and writes it.
  Appended append(FrameBuilder& builder, std::int64_t unix_ms);

  /// Makes what was appended survive a loss of power, whatever `sync` says; errno's value.
  int sync() noexcept;

  /// Of the frame that append() will write next.
  std::uint64_t next_sequence() const noexcept { return next_sequence_; }
  std::uint64_t segment_bytes() const noexcept { return segment_bytes_; }
  std::uint64_t segment_first_sequence() const noexcept { return segment_first_sequence_; }
  std::uint64_t epoch() const noexcept { return epoch_; }
  /// Why append() refused last, or why it all failed: errno's value.
  int error() const noexcept { return error_; }

 private:
  Appended give_up(int error) noexcept;

  Disk& disk_;
  const bool sync_;
  const std::uint64_t epoch_;
  std::uint64_t next_sequence_;
  std::unique_ptr<File> segment_;
  std::uint64_t segment_salt_ = 0;
  std::uint64_t segment_bytes_ = 0;
  std::uint64_t segment_first_sequence_ = 0;
  bool failed_ = false;
  int error_ = 0;
};

}  // namespace loadcore::counter
