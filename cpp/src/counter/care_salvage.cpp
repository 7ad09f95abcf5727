#include "counter/care_salvage.hpp"

#include <algorithm>
#include <functional>
#include <limits>

namespace loadcore::counter {
namespace {

class Salvager {
 public:
  Salvager(Disk& disk, const KeyWindowOptions& keys, const Inspection& inspection)
      : disk_(disk), key_options_(keys), inspection_(inspection) {}

  Salvaged salvage() {
    find_salts();
    read_layers();
    find_frames();
    choose_layers();
    put_bases_together();
    add_frames();
    put_keys_together();
    count();
    return std::move(result_);
  }

 private:
  void find_salts() {
    headers_ = inspection_.headers;
    for (std::size_t i = 0; i < headers_.size(); ++i) {
      if (headers_[i].first_sequence != 0) continue;
      const CheckedSegment& segment = inspection_.segments[i];
      const auto salt = salt_from_frames(disk_, segment.name);
      if (salt) headers_[i] = {.salt = *salt, .first_sequence = segment.first_sequence};
    }
  }

  /// Newest first, up to the first whole one: nothing older can have more.
  void read_layers() {
    for (auto snapshot = inspection_.snapshots.rbegin(); snapshot != inspection_.snapshots.rend();
         ++snapshot) {
      last_sequence_ = std::max(last_sequence_, snapshot->sequence);
      auto layer = Layer::read(disk_, snapshot->name);
      if (layer == nullptr) continue;
      last_sequence_ = std::max(last_sequence_, layer->last_sequence());
      layers_.push_back(std::move(layer));
      if (layers_.back()->whole()) break;
    }
  }

  /// Calls `look` for every whole frame of the log, each sequence once.
  void read_log(const std::function<void(const LoggedFrame&)>& look) {
    Sequences seen;
    for (std::size_t i = 0; i < headers_.size(); ++i) {
      if (headers_[i].first_sequence == 0) continue;
      salvage_segment(disk_, inspection_.segments[i].name, headers_[i], SegmentHeader::bytes,
                      [&](const LoggedFrame& frame) {
                        if (seen.add(frame.sequence)) look(frame);
                      });
    }
  }

  void find_frames() {
    for (const CheckedSegment& segment : inspection_.segments) {
      last_sequence_ = std::max(last_sequence_, segment.first_sequence - 1);
    }
    read_log([this](const LoggedFrame& frame) {
      EntryReader entries(frame.payload);
      while (entries.next()) {
      }
      if (entries.complete()) frames_.add(frame.sequence);
      ++result_.kept.frames;
    });
    last_sequence_ = std::max(last_sequence_, frames_.last());
  }

  /// With all frames there, a whole snapshot (or none, before the first frame) is enough, and what
  /// a damaged one says is not needed.
  void choose_layers() {
    const bool based = !layers_.empty() && layers_.back()->whole();
    const std::uint64_t floor = based ? layers_.back()->floor() : 0;
    result_.kept.missing = frames_.missing(floor, last_sequence_);
    if (result_.kept.missing.empty()) {
      layers_.erase(layers_.begin(), based ? layers_.end() - 1 : layers_.end());
    }
    for (const auto& layer : layers_) result_.kept.snapshots.push_back(layer->name());
  }

  /// A user's newest base in the first `layers` layers.
  std::optional<Layer::Base> base_of(std::string_view user, std::size_t layers) const {
    for (std::size_t i = 0; i < layers; ++i) {
      if (auto base = layers_[i]->find(user)) return base;
    }
    return std::nullopt;
  }
  std::uint64_t base_sequence(std::string_view user) const {
    const auto base = base_of(user, layers_.size());
    return base ? base->sequence : 0;
  }

  void put_bases_together() {
    LikesOptions options{.users_max = std::numeric_limits<std::uint64_t>::max()};
    if (!layers_.empty()) options.hash_key = layers_.front()->likes().hash_key();
    result_.likes = std::make_unique<Likes>(options);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      for (std::uint32_t shard = 0; shard < Likes::shard_count; ++shard) {
        layers_[i]->likes().read_shard(shard, [&](std::string_view user, std::int64_t total) {
          if (!base_of(user, i)) add(user, static_cast<std::uint64_t>(total));
        });
      }
    }
  }

  void add_frames() {
    const bool exact_keys = layers_.size() == 1 && layers_.front()->whole();
    const std::uint64_t keys_floor = exact_keys ? layers_.front()->keys_sequence() : 0;
    read_log([&](const LoggedFrame& frame) {
      EntryReader entries(frame.payload);
      while (const auto entry = entries.next()) {
        if (frame.sequence > base_sequence(entry->user)) add(entry->user, entry->likes);
        if (entry->key.empty() || frame.sequence <= keys_floor) continue;
        keys_.push_back({std::string(entry->key), std::string(entry->user),
                         static_cast<std::int64_t>(entry->total), frame.unix_ms});
      }
    });
  }

  void add(std::string_view user, std::uint64_t likes) {
    if (likes <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      Addition addition{.user = user, .likes = static_cast<std::int64_t>(likes)};
      result_.likes->add({&addition, 1});
      if (addition.outcome == Outcome::counted) return;
    }
    ++result_.kept.left_out;
  }

  /// In the order of their times, whichever file they come from.
  void put_keys_together() {
    for (const auto& layer : layers_) {
      keys_.insert(keys_.end(), layer->keys().begin(), layer->keys().end());
    }
    std::stable_sort(keys_.begin(), keys_.end(), [](const KeyCopy& left, const KeyCopy& right) {
      return left.unix_ms < right.unix_ms;
    });
    result_.keys = std::make_unique<KeyWindow>(key_options_);
    for (const KeyCopy& key : keys_) {
      if (result_.keys->find(key.key, key.unix_ms)) continue;
      result_.keys->remember(key.key, key.user, key.total, key.unix_ms);
    }
  }

  void count() {
    Kept& kept = result_.kept;
    result_.last_sequence = last_sequence_;
    const StoreStats stats = result_.likes->stats();
    kept.totals = {stats.users, stats.likes, result_.keys->size()};
    if (kept.missing.empty()) return;
    for (const SequenceRange& range : kept.missing) {
      kept.frames_missing += range.last - range.first + 1;
    }
    for (const CheckedSnapshot& snapshot : inspection_.snapshots) {
      if (snapshot.rebased && !snapshot.whole) kept.rebased_missing.push_back(snapshot.name);
    }
    const std::uint64_t last_missing = kept.missing.back().last;
    for (std::uint32_t shard = 0; shard < Likes::shard_count; ++shard) {
      result_.likes->read_shard(shard, [&](std::string_view user, std::int64_t) {
        if (base_sequence(user) < last_missing) ++kept.users_short;
      });
    }
    if (!layers_.empty()) kept.users_gone_max = layers_.front()->users_gone();
  }

  Disk& disk_;
  const KeyWindowOptions key_options_;
  const Inspection& inspection_;
  std::vector<SegmentHeader> headers_;
  std::vector<std::unique_ptr<Layer>> layers_;
  Sequences frames_;
  std::uint64_t last_sequence_ = 0;
  std::vector<KeyCopy> keys_;
  Salvaged result_;
};

}  // namespace

Salvaged salvage(Disk& disk, const KeyWindowOptions& keys, const Inspection& inspection) {
  return Salvager(disk, keys, inspection).salvage();
}

}  // namespace loadcore::counter
