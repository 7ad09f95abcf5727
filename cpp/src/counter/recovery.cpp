#include "counter/recovery.hpp"

#include <limits>
#include <utility>

#include "counter/snapshot.hpp"

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
    // Begin with the last segment that starts no later than the first frame that is needed.
    std::size_t first = 0;
    while (first + 1 < segments.size() && segments[first + 1] <= recovered_.next_sequence) ++first;
    for (std::size_t i = first; i < segments.size(); ++i) {
      const std::string name = segment_name(segments[i]);
      const bool overlaps = i == first && segments[i] < recovered_.next_sequence;
      if (!overlaps && segments[i] != recovered_.next_sequence) {
        throw DamageError(disk_, {name, 0,
                                  "it begins with frame " + std::to_string(segments[i]) +
                                      ", and the frames from " +
                                      std::to_string(recovered_.next_sequence) + " are missing"});
      }
      read_segment(name, i + 1 == segments.size());
    }
    // A segment begins before the snapshot that it follows is written.
    if (recovered_.snapshot && log_end_ <= *recovered_.snapshot) {
      throw DamageError(disk_,
                        {snapshot_name(*recovered_.snapshot), 0, "the log behind it is missing"});
    }
  }

  void read_segment(const std::string& name, bool last) {
    const SegmentScan scan =
        scan_segment(disk_, name, last, [this](const LoggedFrame& frame) { return take(frame); });
    if (scan.damage) throw DamageError(disk_, *scan.damage);
    log_end_ = scan.next_sequence;
    recovered_.frames += scan.frames;
    recovered_.log_bytes += scan.sound_bytes;
    if (scan.next_sequence > recovered_.next_sequence) {
      recovered_.next_sequence = scan.next_sequence;
    }
    if (scan.sound_bytes < scan.bytes) {
      recovered_.torn = Recovered::Torn{name, scan.sound_bytes, scan.bytes - scan.sound_bytes};
    }
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
      if (!entry->key.empty() && frame.sequence > keys_sequence_ &&
          !recovered_.keys->find(entry->key, frame.unix_ms)) {
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
  std::vector<std::uint64_t> shard_sequences_;
  std::uint64_t keys_sequence_ = 0;
  std::uint64_t log_end_ = 0;  // the sequence after the last frame
};

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

}  // namespace loadcore::counter
