#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "counter/frame.hpp"
#include "loadcore/counter/disk.hpp"

namespace loadcore::counter {

std::string segment_name(std::uint64_t first_sequence);
std::string snapshot_name(std::uint64_t sequence);
/// The number in a name of either kind; nothing where it is another file.
std::optional<std::uint64_t> sequence_of_segment(std::string_view name);
std::optional<std::uint64_t> sequence_of_snapshot(std::string_view name);

/// Something on the disk that cannot be what was written there.
struct Damage {
  std::string file;
  std::uint64_t offset = 0;
  std::string what;  ///< completes "at byte 123 of log-…: "

  /// One sentence that names the file, the offset and the way out.
  std::string sentence(const Disk& disk) const;
};

/// A frame as it lies in a segment.
struct LoggedFrame {
  std::uint64_t sequence = 0;
  std::int64_t unix_ms = 0;
  std::uint64_t offset = 0;
  std::string_view payload;
};

/// What reading a segment to its end found.
struct SegmentScan {
  SegmentHeader header;
  std::uint64_t bytes = 0;        ///< of the file
  std::uint64_t sound_bytes = 0;  ///< header and whole frames; what follows is a torn frame
  std::uint64_t last_frame = 0;   ///< where it lies; 0: there is none
  std::uint64_t frames = 0;
  std::uint64_t next_sequence = 0;
  std::optional<Damage> damage;
};

/// Reads the frames of segment `name`, calling `look` for each in order; `look` returns what is
/// wrong with the frame, or an empty text. Reading stops at the first thing that is wrong. A frame
/// cut off at the end is torn, not damaged, if `last` says that nothing was written after this
/// segment, and no whole frame follows it: the one batch that was being written when the power
/// went. Throws base::RunError for a segment of a newer format, or one that cannot be read.
SegmentScan scan_segment(Disk& disk, const std::string& name, bool last,
                         const std::function<std::string(const LoggedFrame&)>& look);

/// Whole frames that lie behind the damage, for repair: every one from `from` on, wherever it is.
void salvage_segment(Disk& disk, const std::string& name, const SegmentHeader& header,
                     std::uint64_t from, const std::function<void(const LoggedFrame&)>& look);

}  // namespace loadcore::counter
