#include "counter/care_files.hpp"

#include <limits>
#include <system_error>
#include <utility>

#include "counter/codec.hpp"
#include "counter/file_window.hpp"
#include "counter/journal.hpp"
#include "counter/recovery.hpp"
#include "counter/snapshot.hpp"
#include "loadcore/base/error.hpp"
#include "loadcore/base/random.hpp"

namespace loadcore::counter {
namespace {

/// Counts what a snapshot holds.
class Counter final : public SnapshotVisitor {
 public:
  explicit Counter(CheckedSnapshot& into) : into_(into) {}

  void header(const SnapshotHeader& header) override {
    into_.created_unix_ms = header.created_unix_ms;
    into_.rebased = header.rebased;
  }
  void shard(std::uint32_t, std::uint64_t sequence) override { reached(sequence); }
  void user(std::string_view, std::int64_t total) override {
    ++into_.totals.users;
    into_.totals.likes += static_cast<std::uint64_t>(total);
  }
  void key(const KeyWindow::Record&) override { ++into_.totals.keys; }
  void totals(const SnapshotTotals& totals) override { reached(totals.keys_sequence); }

  /// The last frame that anything in it has.
  std::uint64_t last_sequence() const noexcept { return last_sequence_; }

 private:
  void reached(std::uint64_t sequence) noexcept {
    last_sequence_ = std::max(last_sequence_, sequence);
  }

  CheckedSnapshot& into_;
  std::uint64_t last_sequence_ = 0;
};

class Inspector {
 public:
  explicit Inspector(Disk& disk) : disk_(disk) {}

  Inspection inspect() {
    const LogFiles files = list_log_files(disk_);
    if (files.snapshots.empty() && files.segments.empty()) {
      throw base::RunError("the data directory " + disk_.describe() +
                           " holds no likes: check its name");
    }
    for (const std::uint64_t sequence : files.snapshots) look_at_snapshot(sequence);
    for (const std::uint64_t sequence : files.segments) {
      look_at_segment(sequence, sequence == files.segments.back());
    }
    hold_together();
    return std::move(found_);
  }

 private:
  void look_at_snapshot(std::uint64_t sequence) {
    CheckedSnapshot& snapshot = found_.snapshots.emplace_back();
    snapshot.name = snapshot_name(sequence);
    snapshot.sequence = sequence;
    snapshot.bytes = FileWindow(disk_, snapshot.name).size();
    Counter counter(snapshot);
    const auto damage = read_snapshot(disk_, snapshot.name, counter);
    snapshot.whole = !damage;
    if (damage) note(*damage);
    if (snapshot.whole) snapshot_end_ = {counter.last_sequence(), snapshot.name};
  }

  void look_at_segment(std::uint64_t sequence, bool last) {
    const SegmentScan scan =
        scan_segment(disk_, segment_name(sequence), last, [](const LoggedFrame& frame) {
          EntryReader entries(frame.payload);
          while (entries.next()) {
          }
          return entries.complete() ? std::string()
                                    : "the checksum is right and the content is not";
        });
    CheckedSegment& segment = found_.segments.emplace_back();
    segment.name = segment_name(sequence);
    segment.bytes = scan.bytes;
    segment.first_sequence = sequence;
    segment.next_sequence = scan.next_sequence;
    segment.frames = scan.frames;
    segment.whole = !scan.damage;
    if (segment.whole) segment.torn_bytes = scan.bytes - scan.sound_bytes;
    found_.headers.push_back(scan.header);
    if (scan.damage) note(*scan.damage);
  }

  /// That the log is all there, behind the snapshot before the newest and, where that is not known
  /// to have the log before it, behind the newest.
  void hold_together() {
    const auto& snapshots = found_.snapshots;
    std::uint64_t needed_after = snapshots.empty() ? 0 : snapshots.back().sequence;
    if (snapshots.size() > 1 && !snapshots.back().rebased) {
      needed_after = snapshots[snapshots.size() - 2].sequence;
    }
    std::uint64_t next = needed_after + 1;
    bool known = true;  // whether the segment before ended where a new one may begin
    for (const CheckedSegment& segment : found_.segments) {
      if (segment.first_sequence > next && known) {
        note({segment.name, 0,
              "it begins with frame " + std::to_string(segment.first_sequence) +
                  ", and the frames from " + std::to_string(next) + " are missing"});
      }
      next = std::max(next, segment.next_sequence);
      known = segment.whole;
    }
    if (!known || snapshots.empty()) return;
    // As recovery sees it: an import writes its snapshot before the segment behind it.
    const std::uint64_t end = found_.segments.empty() ? 0 : found_.segments.back().next_sequence;
    const bool begun = end > snapshots.back().sequence - (snapshots.back().rebased ? 1 : 0);
    if (!begun) {
      note({snapshots.back().name, 0, "the log behind it is missing"});
    } else if (snapshot_end_.first >= next) {
      note({snapshot_end_.second, 0,
            "it has frame " + std::to_string(snapshot_end_.first) +
                ", and the log ends with frame " + std::to_string(next - 1)});
    }
  }

  void note(Damage damage) {
    found_.broken.push_back({std::move(damage.file), damage.offset, std::move(damage.what)});
  }

  Disk& disk_;
  Inspection found_;
  std::pair<std::uint64_t, std::string> snapshot_end_{0, {}};  // of the newest that is whole
};

[[noreturn]] void cannot_write(const Disk& disk, int error) {
  throw base::RunError("the data directory " + disk.describe() + " cannot be written to (" +
                       std::generic_category().message(error) +
                       "): make room or check its permissions, what it holds is as it was");
}

int write_shard(SnapshotWriter& writer, const Likes& likes, std::uint32_t shard,
                std::uint64_t sequence) {
  int error = writer.begin_shard(shard, sequence);
  likes.read_shard(shard, [&](std::string_view user, std::int64_t total) {
    if (error == 0) error = writer.user(user, total);
  });
  return error;
}

int write_all_of_it(SnapshotWriter& writer, const Likes& likes, const KeyWindow& keys,
                    std::uint64_t sequence, std::int64_t now_ms) {
  SnapshotHeader header;
  header.shard_bits = Likes::shard_bits;
  header.salt = base::random_number();
  header.hash_low = likes.hash_key().low;
  header.hash_high = likes.hash_key().high;
  header.created_unix_ms = now_ms;
  header.rebased = true;
  int error = writer.begin(header);
  for (std::uint32_t shard = 0; error == 0 && shard < Likes::shard_count; ++shard) {
    error = write_shard(writer, likes, shard, sequence);
  }
  if (error == 0) {
    keys.read(keys.begin(), keys.size(), [&](const KeyWindow::Record& record) {
      if (error == 0) error = writer.key(record);
    });
  }
  return error == 0 ? writer.finish(sequence, sequence) : error;
}

}  // namespace

KeyWindowOptions care_keys(const CareOptions& options) {
  return {.age_ms_max = options.key_age_ms_max,
          .keys_max = std::numeric_limits<std::uint64_t>::max()};
}

Inspection inspect(Disk& disk) { return Inspector(disk).inspect(); }

void write_state(Disk& disk, const Likes& likes, const KeyWindow& keys, std::uint64_t sequence,
                 std::int64_t now_ms) {
  SnapshotWriter writer(disk);
  const int error = write_all_of_it(writer, likes, keys, sequence, now_ms);
  if (error == 0) return;
  writer.discard();
  cannot_write(disk, error);
}

void begin_segment(Disk& disk, std::uint64_t sequence, std::int64_t now_ms) {
  if (const int error = Journal(disk, true, sequence).rotate(now_ms); error != 0) {
    cannot_write(disk, error);
  }
}

}  // namespace loadcore::counter
