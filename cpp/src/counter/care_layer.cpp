#include <algorithm>
#include <iterator>
#include <limits>

#include "counter/care_salvage.hpp"

namespace loadcore::counter {

bool Sequences::add(std::uint64_t sequence) {
  auto after = ranges_.upper_bound(sequence);
  const auto before = after == ranges_.begin() ? ranges_.end() : std::prev(after);
  if (before != ranges_.end() && before->second >= sequence) return false;
  std::uint64_t last = sequence;
  if (after != ranges_.end() && after->first == sequence + 1) {
    last = after->second;
    ranges_.erase(after);
  }
  if (before != ranges_.end() && before->second + 1 == sequence) {
    before->second = last;
  } else {
    ranges_.emplace(sequence, last);
  }
  return true;
}

std::vector<SequenceRange> Sequences::missing(std::uint64_t floor, std::uint64_t last) const {
  std::vector<SequenceRange> gaps;
  std::uint64_t next = floor + 1;
  for (const auto& [from, to] : ranges_) {
    if (next > last) break;
    if (from > next) gaps.push_back({next, std::min(from - 1, last)});
    next = std::max(next, to + 1);
  }
  if (next <= last) gaps.push_back({next, last});
  return gaps;
}

std::unique_ptr<Layer> Layer::read(Disk& disk, const std::string& name) {
  std::unique_ptr<Layer> layer(new Layer(name));
  if (!salvage_snapshot(disk, name, *layer)) return nullptr;
  return layer;
}

std::uint64_t Layer::floor() const {
  return std::min_element(
             shards_.begin(), shards_.end(),
             [](const Shard& left, const Shard& right) { return left.sequence < right.sequence; })
      ->sequence;
}

std::optional<std::uint64_t> Layer::users_gone() const {
  if (!totals_) return std::nullopt;
  return totals_->users - std::min(totals_->users, likes_->users());
}

std::optional<Layer::Base> Layer::find(std::string_view user) const {
  const Shard& shard = shards_[shard_bits_ == 0 ? 0 : hash_(user) >> (64 - shard_bits_)];
  if (const auto total = likes_->find(user)) return Base{*total, shard.sequence};
  if (shard.whole) return Base{0, shard.sequence};
  return std::nullopt;
}

void Layer::header(const SnapshotHeader& header) {
  hash_ = SipHash<>(header.hash_low, header.hash_high);
  shard_bits_ = header.shard_bits;
  shards_.resize(std::size_t{1} << header.shard_bits);
  likes_ =
      std::make_unique<Likes>(LikesOptions{.users_max = std::numeric_limits<std::uint64_t>::max(),
                                           .hash_key = HashKey{header.hash_low, header.hash_high}});
}

void Layer::shard(std::uint32_t shard, std::uint64_t sequence) {
  // Its further blocks follow its first at once; behind a gap, the first may be what is missing.
  if (after_gap_ || shard != shard_) shards_[shard].whole = !after_gap_;
  shards_[shard].sequence = sequence;
  shard_ = shard;
  after_gap_ = false;
  last_sequence_ = std::max(last_sequence_, sequence);
}

void Layer::user(std::string_view user, std::int64_t total) {
  Addition addition{.user = user, .likes = total};
  likes_->add({&addition, 1});
}

void Layer::key(const KeyWindow::Record& record) {
  shard_.reset();  // all users are through
  keys_.push_back(
      {std::string(record.key), std::string(record.user), record.total, record.unix_ms});
}

void Layer::totals(const SnapshotTotals& totals) {
  totals_ = totals;
  last_sequence_ = std::max(last_sequence_, totals.keys_sequence);
}

void Layer::gap() {
  gap_ = true;
  after_gap_ = true;
  if (shard_) shards_[*shard_].whole = false;
}

}  // namespace loadcore::counter
