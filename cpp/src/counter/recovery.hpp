#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "counter/key_window.hpp"
#include "counter/log_files.hpp"
#include "loadcore/base/error.hpp"
#include "loadcore/counter/disk.hpp"
#include "loadcore/counter/likes.hpp"

namespace loadcore::counter {

/// A data directory that cannot be trusted as it is; what() names file, offset and the way out.
class DamageError : public base::RunError {
 public:
  DamageError(const Disk& disk, Damage damage)
      : base::RunError(damage.sentence(disk)), damage_(std::move(damage)) {}
  const Damage& damage() const noexcept { return damage_; }

 private:
  Damage damage_;
};

/// The log's files in a directory, each kind in the order of its sequences.
struct LogFiles {
  std::vector<std::uint64_t> snapshots;
  std::vector<std::uint64_t> segments;
};
LogFiles list_log_files(Disk& disk);

/// What a directory holds, put together again.
struct Recovered {
  std::unique_ptr<Likes> likes;
  std::unique_ptr<KeyWindow> keys;
  std::uint64_t next_sequence = 1;        ///< of the frame to write next
  std::optional<std::uint64_t> snapshot;  ///< the one it began with
  std::uint64_t frames = 0;               ///< read behind it
  std::uint64_t log_bytes = 0;
  /// How the last segment ends. Its last frame may be in the page cache only; what is torn is a
  /// batch that was being written when the power went, and nobody was told that it was kept.
  struct End {
    std::string file;
    std::uint64_t last_frame = 0;  ///< where it lies; 0: there is none
    std::uint64_t sound_bytes = 0;
    std::uint64_t torn_bytes = 0;
  };
  std::optional<End> end;  ///< nothing: there is no segment
};

/// Reads the newest snapshot and the log behind it. Changes nothing. Throws DamageError for what
/// cannot be what was written, base::RunError for what cannot be read or is of a newer version.
Recovered recover(Disk& disk, const KeyWindowOptions& keys);

/// The same from snapshot `from` on, or from nothing: the whole log.
Recovered recover_from(Disk& disk, const KeyWindowOptions& keys, std::optional<std::uint64_t> from);

/// Before anything is shown or written: cuts off a torn end, and makes sure that the disk has all
/// that recovery read. Throws base::RunError where that fails.
void secure_end(Disk& disk, const Recovered& recovered);

}  // namespace loadcore::counter
