#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "counter/frame.hpp"
#include "counter/key_window.hpp"
#include "counter/log_files.hpp"
#include "loadcore/counter/care.hpp"
#include "loadcore/counter/disk.hpp"
#include "loadcore/counter/likes.hpp"

namespace loadcore::counter {

/// Keys are kept as the service keeps them, but for their number: that is the service's to bound.
KeyWindowOptions care_keys(const CareOptions& options);

/// Every file of a directory, read on its own, and what does not fit together.
struct Inspection {
  std::vector<CheckedSnapshot> snapshots;
  std::vector<CheckedSegment> segments;
  std::vector<SegmentHeader> headers;  ///< of the segments; zeros where damaged
  std::vector<Broken> broken;
};

/// Throws base::RunError where there is no such file at all.
Inspection inspect(Disk& disk);

/// Writes all of it as snapshot `sequence`, marked as not coming from the log. Throws
/// base::RunError where that fails; nothing has changed then.
void write_state(Disk& disk, const Likes& likes, const KeyWindow& keys, std::uint64_t sequence,
                 std::int64_t now_ms);

/// Begins the segment whose first frame is to be `sequence`. Throws as write_state().
void begin_segment(Disk& disk, std::uint64_t sequence, std::int64_t now_ms);

/// The salt of segment `name` whose header is damaged, from its frames: nothing where they do not
/// tell.
std::optional<std::uint64_t> salt_from_frames(Disk& disk, const std::string& name);

}  // namespace loadcore::counter
