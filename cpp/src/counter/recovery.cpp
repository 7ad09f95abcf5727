#include "counter/recovery.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "counter/snapshot.hpp"
#include "counter/write_all.hpp"

namespace loadcore::counter {
namespace {

LikesOptions unbounded(std::optional<HashKey> key) {
  // What was acknowledged is taken in whatever the cap is now.
  return {.users_max = std::numeric_limits<std::uint64_t>::max(), .hash_key = key};
}

class Reader final : public SnapshotVisitor {
 public:
  Reader(Disk& disk, const KeyWindowOptions& keys) : disk_(disk) {
    recovered_.likes = std::make_unique<Likes>(unbounded(std::nullopt));
    recovered_.keys = std::make_unique<KeyWindow>(keys);
    shard_sequences_.resize(Likes::shard_count, 0);
  }

  Recovered read(std::optional<std::uint64_t> from, const LogFiles& files) {
    if (from) {
      recovered_.snapshot = from;
      recovered_.next_sequence = *from + 1;
      if (auto damage = read_snapshot(disk_, snapshot_name(*from), *this)) {
        throw DamageError(disk_, std::move(*damage));
      }
    }
    read_log(files.segments);
    return std::move(recovered_);
  }

  void header(const SnapshotHeader& header) override {
    shard_bits_ = header.shard_bits;
    rebased_ = header.rebased;
    shard_sequences_.assign(std::size_t{1} << shard_bits_, recovered_.next_sequence - 1);
    hash_ = SipHash<>(header.hash_low, header.hash_high);
    recovered_.likes =
        std::make_unique<Likes>(unbounded(HashKey{header.hash_low, header.hash_high}));
  }
  void shard(std::uint32_t shard, std::uint64_t sequence) override {
    shard_sequences_[shard] = sequence;
  }
  void user(std::string_view user, std::int64_t total) override { add(user, total); }
  void key(const KeyWindow::Record& record) override {
    recovered_.keys->remember(record.key, record.user, record.total, record.unix_ms);
  }
  void totals(const SnapshotTotals& totals) override { keys_sequence_ = totals.keys_sequence; }

 private:
  bool add(std::string_view user, std::int64_t likes) {
    Addition addition{.user = user, .likes = likes};
    recovered_.likes->add({&addition, 1});
    return addition.outcome == Outcome::counted;
  }

  void read_log(const std::vector<std::uint64_t>& segments) {
    // A segment begins before the snapshot that it follows is written, and never goes before it.
    auto segment = segments.begin();
    if (recovered_.snapshot) {
      segment = std::find(segments.begin(), segments.end(), recovered_.next_sequence);
      if (segment == segments.end()) {
        if (rebased_ && ends_before_snapshot(segments)) return;
        throw DamageError(
            disk_, {snapshot_name(*recovered_.snapshot), 0,
                    "the log behind it, from frame " + std::to_string(recovered_.next_sequence) +
                        " on, is missing"});
      }
    }
    for (; segment != segments.end(); ++segment) {
      const std::string name = segment_name(*segment);
      if (*segment != recovered_.next_sequence) {
        throw DamageError(
            disk_, {name, 0,
                    "it begins with frame " + std::to_string(*segment) + ", and the frames from " +
                        std::to_string(recovered_.next_sequence) + " are missing"});
      }
      read_segment(name, segment + 1 == segments.end());
    }
  }

  /// A segment begins before the snapshot that it follows is written, but for one of an import or a
  /// repair, which takes the place of the frame after the log's last.
  bool ends_before_snapshot(const std::vector<std::uint64_t>& segments) {
    if (segments.empty()) return false;
    const std::uint64_t next_sequence = recovered_.next_sequence;
    read_segment(segment_name(segments.back()), true);
    // All of it is in the snapshot.
    recovered_.frames = 0;
    recovered_.log_bytes = 0;
    return std::exchange(recovered_.next_sequence, next_sequence) == *recovered_.snapshot;
  }

  void read_segment(const std::string& name, bool last) {
    const SegmentScan scan =
        scan_segment(disk_, name, last, [this](const LoggedFrame& frame) { return take(frame); });
    if (scan.damage) throw DamageError(disk_, *scan.damage);
    recovered_.frames += scan.frames;
    recovered_.log_bytes += scan.sound_bytes;
    recovered_.next_sequence = scan.next_sequence;
    recovered_.end =
        Recovered::End{name, scan.last_frame, scan.sound_bytes, scan.bytes - scan.sound_bytes};
  }

  std::string take(const LoggedFrame& frame) {
    EntryReader entries(frame.payload);
    while (const auto entry = entries.next()) {
      if (frame.sequence > shard_sequences_[shard_of(entry->user)]) {
        if (entry->likes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) ||
            !add(entry->user, static_cast<std::int64_t>(entry->likes))) {
          return "a total beyond 2^63 - 1";
        }
      }
      if (!entry->key.empty() && frame.sequence > keys_sequence_) {
        recovered_.keys->remember(entry->key, entry->user, static_cast<std::int64_t>(entry->total),
                                  frame.unix_ms);
      }
    }
    return entries.complete() ? std::string() : "the checksum is right and the content is not";
  }

  std::size_t shard_of(std::string_view user) const noexcept {
    return shard_bits_ == 0 ? 0 : hash_(user) >> (64 - shard_bits_);
  }

  Disk& disk_;
  Recovered recovered_;
  SipHash<> hash_{0, 0};
  std::uint32_t shard_bits_ = 0;
  bool rebased_ = false;
  std::vector<std::uint64_t> shard_sequences_;
  std::uint64_t keys_sequence_ = 0;
};

int write_end_again(Disk& disk, const Recovered::End& end) {
  auto opened = disk.open_to_change(end.file);
  if (opened.error != 0) return opened.error;
  if (end.torn_bytes > 0) {
    if (const int error = opened.file->truncate(end.sound_bytes); error != 0) return error;
  }
  if (end.last_frame > 0) {
    // The sync of the last frame may have failed in the process before: then the page cache has
    // it, the disk does not, and another sync would find nothing to write.
    std::string frame(end.sound_bytes - end.last_frame, '\0');
    const IoResult got = opened.file->read_at(end.last_frame, frame.data(), frame.size());
    if (got.error != 0 || got.bytes < frame.size()) return got.error != 0 ? got.error : EIO;
    if (const int error = write_all(*opened.file, end.last_frame, frame); error != 0) return error;
  }
  return opened.file->sync();
}

}  // namespace

LogFiles list_log_files(Disk& disk) {
  LogFiles files;
  for (const std::string& name : disk.list()) {
    if (const auto sequence = sequence_of_snapshot(name)) files.snapshots.push_back(*sequence);
    if (const auto sequence = sequence_of_segment(name)) files.segments.push_back(*sequence);
  }
  return files;
}

Recovered recover(Disk& disk, const KeyWindowOptions& keys) {
  const LogFiles files = list_log_files(disk);
  std::optional<std::uint64_t> newest;
  if (!files.snapshots.empty()) newest = files.snapshots.back();
  return Reader(disk, keys).read(newest, files);
}

Recovered recover_from(Disk& disk, const KeyWindowOptions& keys,
                       std::optional<std::uint64_t> from) {
  return Reader(disk, keys).read(from, list_log_files(disk));
}

void secure_end(Disk& disk, const Recovered& recovered) {
  if (!recovered.end) return;
  if (const int error = write_end_again(disk, *recovered.end); error != 0) {
    throw base::RunError(disk.describe() + "/" + recovered.end->file + " cannot be made safe (" +
                         std::generic_category().message(error) +
                         "): check the disk and the file's permissions");
  }
}

}  // namespace loadcore::counter
