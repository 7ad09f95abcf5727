#include "loadcore/counter/durable_likes.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "counter/batch_plan.hpp"
#include "counter/journal.hpp"
#include "counter/recovery.hpp"
#include "counter/snapshot.hpp"
#include "counter/system_clock.hpp"
#include "loadcore/base/assert.hpp"
#include "loadcore/base/error.hpp"
#include "loadcore/base/random.hpp"

namespace loadcore::counter {
namespace {

/// A frame of so many additions, each with the longest user and key, stays below its limit.
constexpr std::size_t additions_per_frame_max = 32 * 1024;
static_assert(additions_per_frame_max * (user_bytes_max + key_bytes_max + 16) <
              frame_payload_bytes_max);

/// Keys copied at a time while additions wait.
constexpr std::size_t keys_per_turn = 4096;

std::string reason(int error) { return std::generic_category().message(error); }

}  // namespace

class DurableLikes::Impl {
 public:
  Impl(std::unique_ptr<Disk> disk, DurableOptions options)
      : options_(std::move(options)),
        disk_(std::move(disk)),
        recovered_(recover(*disk_, {options_.key_age_ms_max, options_.keys_max})),
        likes_(*recovered_.likes),
        keys_(*recovered_.keys),
        journal_(*disk_, options_.durability == Durability::fsync, recovered_.next_sequence),
        applied_(recovered_.next_sequence - 1),
        last_snapshot_(recovered_.snapshot),
        log_bytes_(recovered_.log_bytes) {
    LOADCORE_ASSERT(options_.durability != Durability::memory);
    if (!options_.clock_ms) options_.clock_ms = system_ms;
    secure_end(*disk_, recovered_);
    disk_->remove("snapshot.new");
    if (const int error = journal_.rotate(options_.clock_ms()); error != 0) {
      throw base::RunError("the data directory " + disk_->describe() + " cannot be written to (" +
                           reason(error) + "): make room or choose another with --data");
    }
    snapshot_thread_ = std::thread([this] { take_snapshots(); });
  }

  ~Impl() {
    {
      const std::scoped_lock lock(snapshot_mutex_);
      stopping_ = true;
    }
    snapshot_due_.notify_all();
    snapshot_thread_.join();
    // In a segment that is not the last, damage cannot be taken for a torn end: whatever happens to
    // the files from now on will be noticed. That this fails takes away no more than that.
    journal_.rotate(options_.clock_ms());
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void add(std::span<Addition> batch) {
    const std::scoped_lock lock(commit_mutex_);
    while (!batch.empty()) {
      const auto part = batch.first(std::min(batch.size(), additions_per_frame_max));
      commit(part);
      batch = batch.subspan(part.size());
    }
  }

  const Likes& likes() const noexcept { return likes_; }

  std::string failure() const {
    const std::scoped_lock lock(failure_mutex_);
    return failure_;
  }

  DurableStats stats() const {
    DurableStats stats;
    {
      const std::scoped_lock lock(state_mutex_);
      stats.sequence = applied_;
      stats.keys = keys_.size();
      stats.keys_forgotten_early = keys_.forgotten_early();
    }
    stats.log_bytes = log_bytes_;
    stats.snapshots = snapshots_;
    stats.snapshot_failures = snapshot_failures_;
    stats.recovered_frames = recovered_.frames;
    stats.torn_bytes = recovered_.end ? recovered_.end->torn_bytes : 0;
    return stats;
  }

  /// In the order: new segment, snapshot of everything before it, away with what it replaces.
  bool take_snapshot() {
    const std::scoped_lock one_at_a_time(taking_mutex_);
    std::uint64_t upto = 0;
    {
      const std::scoped_lock lock(commit_mutex_);
      if (journal_.rotate(options_.clock_ms()) != 0) {
        if (journal_.failed()) fail();
        ++snapshot_failures_;
        return false;
      }
      upto = journal_.next_sequence() - 1;
      log_bytes_ = 0;
      snapshot_wanted_ = false;  // it was by frames that this one holds
    }
    if (last_snapshot_ == upto) return true;
    SnapshotWriter writer(*disk_);
    if (write_snapshot(writer, upto) != 0) {
      writer.discard();
      ++snapshot_failures_;
      return false;
    }
    snapshot_bytes_ = writer.bytes();
    ++snapshots_;
    drop_files_before(std::exchange(last_snapshot_, upto), upto);
    return true;
  }

 private:
  // --- commit: under commit_mutex_

  void commit(std::span<Addition> batch) {
    const std::int64_t now_ms = options_.clock_ms();
    plan_.make(batch, likes_, keys_, options_.users_max, now_ms);
    if (!plan_.write(frame_)) return;
    const std::uint64_t bytes_before = journal_.segment_bytes();
    switch (journal_.append(frame_, now_ms)) {
      case Journal::Appended::kept:
        break;
      case Journal::Appended::refused:
        plan_.take_back();
        return;
      case Journal::Appended::failed:
        fail();
        plan_.take_back();
        return;
    }
    {
      const std::scoped_lock lock(state_mutex_);
      plan_.apply(likes_, keys_, now_ms);
      applied_ = journal_.next_sequence() - 1;
    }
    log_bytes_ += journal_.segment_bytes() - bytes_before;
    if (log_bytes_ >= std::max<std::uint64_t>(options_.snapshot_log_bytes, snapshot_bytes_ / 2)) {
      snapshot_wanted_ = true;
      snapshot_due_.notify_one();
    }
  }

  void fail() {
    const std::scoped_lock lock(failure_mutex_);
    if (!failure_.empty()) return;
    failure_ = "writing to " + disk_->describe() + " failed (" + reason(journal_.error()) +
               "), so nothing more can be promised: check the disk and restart";
    tell({.kind = StoreEvent::Kind::failed, .reason = failure_});
  }

  void tell(const StoreEvent& event) {
    if (options_.observer) options_.observer(event);
  }

  // --- snapshots

  void take_snapshots() {
    std::unique_lock lock(snapshot_mutex_);
    while (!stopping_) {
      // A wake-up between the look and the wait is not lost for long.
      snapshot_due_.wait_for(lock, std::chrono::milliseconds(100),
                             [this] { return stopping_ || snapshot_wanted_; });
      if (stopping_ || !snapshot_wanted_.exchange(false)) continue;
      lock.unlock();
      const base::TimePoint begin = base::now();
      const bool taken = take_snapshot();
      tell({.kind = taken ? StoreEvent::Kind::snapshot_taken : StoreEvent::Kind::snapshot_failed,
            .bytes = taken ? snapshot_bytes_.load() : 0,
            .took = base::now() - begin});
      lock.lock();
    }
  }

  bool stopping() const {
    const std::scoped_lock lock(snapshot_mutex_);
    return stopping_;
  }

  int write_snapshot(SnapshotWriter& writer, std::uint64_t upto) {
    SnapshotHeader header;
    header.shard_bits = Likes::shard_bits;
    header.salt = base::random_number();
    header.hash_low = likes_.hash_key().low;
    header.hash_high = likes_.hash_key().high;
    header.created_unix_ms = options_.clock_ms();
    if (const int error = writer.begin(header); error != 0) return error;
    for (std::uint32_t shard = 0; shard < Likes::shard_count; ++shard) {
      if (stopping()) return ECANCELED;
      if (const int error = write_shard(writer, shard); error != 0) return error;
    }
    std::uint64_t keys_sequence = 0;
    if (const int error = write_keys(writer, keys_sequence); error != 0) return error;
    if (options_.durability == Durability::os) {
      // Its blocks hold frames of the segment under way, and must not outlive them: frames written
      // in their place after a loss of power would be taken for those the blocks have already.
      const std::scoped_lock lock(commit_mutex_);
      if (const int error = journal_.sync(); error != 0) return error;
    }
    return writer.finish(keys_sequence, upto);
  }

  int write_shard(SnapshotWriter& writer, std::uint32_t shard) {
    shard_copy_.clear();
    std::uint64_t sequence = 0;
    {
      const std::scoped_lock lock(state_mutex_);
      sequence = applied_;
      likes_.read_shard(shard, [this](std::string_view user, std::int64_t total) {
        put_text(shard_copy_, user);
        put(shard_copy_, static_cast<std::uint64_t>(total));
      });
    }
    if (const int error = writer.begin_shard(shard, sequence); error != 0) return error;
    Parser copy(shard_copy_);
    while (!copy.at_end()) {
      const std::string_view user = copy.text();
      const auto total = static_cast<std::int64_t>(copy.number<std::uint64_t>());
      if (const int error = writer.user(user, total); error != 0) return error;
    }
    return 0;
  }

  int write_keys(SnapshotWriter& writer, std::uint64_t& sequence) {
    KeyWindow::Place place = 0;
    bool all = false;
    while (!all) {
      if (stopping()) return ECANCELED;
      shard_copy_.clear();
      {
        const std::scoped_lock lock(state_mutex_);
        sequence = applied_;
        place = keys_.read(place, keys_per_turn, [this](const KeyWindow::Record& record) {
          put_text(shard_copy_, record.key);
          put_text(shard_copy_, record.user);
          put(shard_copy_, static_cast<std::uint64_t>(record.total));
          put(shard_copy_, static_cast<std::uint64_t>(record.unix_ms));
        });
        all = place >= keys_.end();
      }
      Parser copy(shard_copy_);
      while (!copy.at_end()) {
        KeyWindow::Record record;
        record.key = copy.text();
        record.user = copy.text();
        record.total = static_cast<std::int64_t>(copy.number<std::uint64_t>());
        record.unix_ms = static_cast<std::int64_t>(copy.number<std::uint64_t>());
        if (const int error = writer.key(record); error != 0) return error;
      }
    }
    return 0;
  }

  /// Keeps the snapshot before the newest and the log between them: what audit recounts from.
  void drop_files_before(std::optional<std::uint64_t> previous, std::uint64_t newest) {
    LogFiles files;
    try {
      files = list_log_files(*disk_);
    } catch (const base::RunError&) {
      return;  // the next snapshot's turn
    }
    for (const std::uint64_t snapshot : files.snapshots) {
      if (snapshot != newest && snapshot != previous) disk_->remove(snapshot_name(snapshot));
    }
    if (!previous) return;  // the log still goes back to the first frame
    for (std::size_t i = 0; i + 1 < files.segments.size(); ++i) {
      if (files.segments[i + 1] <= *previous + 1) disk_->remove(segment_name(files.segments[i]));
    }
  }

  DurableOptions options_;
  std::unique_ptr<Disk> disk_;
  Recovered recovered_;
  Likes& likes_;
  KeyWindow& keys_;

  std::mutex commit_mutex_;  // one batch at a time
  Journal journal_;
  BatchPlan plan_;
  FrameBuilder frame_;

  mutable std::mutex state_mutex_;  // memory is at one sequence: taken inside commit_mutex_
  std::uint64_t applied_;

  mutable std::mutex failure_mutex_;
  std::string failure_;

  std::mutex taking_mutex_;  // taken outside commit_mutex_
  std::optional<std::uint64_t> last_snapshot_;
  std::string shard_copy_;

  std::atomic<std::uint64_t> log_bytes_;
  std::atomic<std::uint64_t> snapshot_bytes_{0};
  std::atomic<std::uint64_t> snapshots_{0};
  std::atomic<std::uint64_t> snapshot_failures_{0};
  std::atomic<bool> snapshot_wanted_{false};
  mutable std::mutex snapshot_mutex_;
  std::condition_variable snapshot_due_;
  bool stopping_ = false;
  std::thread snapshot_thread_;
};

DurableLikes::DurableLikes(std::unique_ptr<Disk> disk, DurableOptions options)
    : impl_(std::make_unique<Impl>(std::move(disk), std::move(options))) {}
DurableLikes::~DurableLikes() = default;

void DurableLikes::add(std::span<Addition> batch) { impl_->add(batch); }
std::int64_t DurableLikes::get(std::string_view user) const { return impl_->likes().get(user); }
StoreStats DurableLikes::stats() const { return impl_->likes().stats(); }
std::string DurableLikes::failure() const { return impl_->failure(); }
DurableStats DurableLikes::durable_stats() const { return impl_->stats(); }
bool DurableLikes::take_snapshot() { return impl_->take_snapshot(); }

}  // namespace loadcore::counter
