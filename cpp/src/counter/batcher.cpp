#include "loadcore/counter/batcher.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

#include "loadcore/base/clock.hpp"

namespace loadcore::counter {
namespace {

/// Of a count that only this thread changes.
void bump(std::atomic<std::uint64_t>& count, std::uint64_t by = 1) noexcept {
  count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

void append(Batcher::Batch& to, const Batcher::Batch& from) {
  const std::size_t base = to.text.size();
  to.text += from.text;
  for (Batcher::Item item : from.items) {
    item.text += base;
    to.items.push_back(item);
  }
}

}  // namespace

void PowerCounts::add(std::uint64_t value) noexcept {
  const auto power = static_cast<std::size_t>(value <= 1 ? 0 : std::bit_width(value - 1));
  bump(counts[std::min(power, size - 1)]);
  bump(sum, value);
}

bool Batcher::Lane::full() noexcept {
  // Threads may pass here together and exceed the limit by one each, which is as good a limit.
  if (batcher_.stats_.waiting.load(std::memory_order_relaxed) < batcher_.waiting_max_) return false;
  batcher_.stats_.shed.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool Batcher::Lane::push(http::Ticket ticket, std::string_view user, std::string_view key) {
  const bool first = pushed_.items.empty();
  pushed_.items.push_back({.ticket = ticket,
                           .text = pushed_.text.size(),
                           .user_bytes = static_cast<std::uint8_t>(user.size()),
                           .key_bytes = static_cast<std::uint8_t>(key.size())});
  pushed_.text += user;
  pushed_.text += key;
  batcher_.stats_.waiting.fetch_add(1, std::memory_order_relaxed);
  return first;
}

bool Batcher::Lane::submit() {
  if (pushed_.items.empty()) return true;
  if (more_has_come()) return false;
  bool wake = false;
  {
    const std::scoped_lock lock(batcher_.mutex_);
    if (submitted_.items.empty()) {
      std::swap(submitted_, pushed_);
    } else {
      append(submitted_, pushed_);
    }
    wake = !std::exchange(batcher_.something_submitted_, true);
  }
  pushed_.clear();
  if (wake) batcher_.submitted_.notify_one();
  return true;
}

/// Whether to wait for others that are about to be pushed. A busy thread would otherwise submit a
/// handful at a time, and the committing thread take its processor for every handful.
bool Batcher::Lane::more_has_come() noexcept {
  const std::size_t pushed_before = std::exchange(pushed_before_, pushed_.items.size());
  if (pushed_before < pushed_.items.size()) {
    const base::TimePoint now = base::now();
    if (pushed_before == 0) gathering_since_ = now;
    if (now - gathering_since_ < gather_max) return true;
  }
  pushed_before_ = 0;
  return false;
}

const Batcher::Batch& Batcher::Lane::take_done() {
  taken_.clear();
  const std::scoped_lock lock(batcher_.mutex_);
  std::swap(taken_, done_);
  return taken_;
}

Batcher::Batcher(Store& store, std::size_t waiting_max)
    : store_(store), waiting_max_(waiting_max), thread_([this] { run(); }) {}

Batcher::~Batcher() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  submitted_.notify_one();
  thread_.join();
}

Batcher::Lane& Batcher::open_lane(std::function<void()> wake) {
  const std::scoped_lock lock(mutex_);
  Lane& lane = lanes_.emplace_back(Lane(*this));
  lane.wake_ = std::move(wake);
  return lane;
}

void Batcher::close_lane(Lane& lane) {
  const std::scoped_lock lock(mutex_);
  lane.wake_ = nullptr;
}

void Batcher::run() {
  while (gather()) {
    commit();
    hand_back();
  }
}

/// Waits for something to commit and takes it over; false once there is to be no more.
bool Batcher::gather() {
  std::unique_lock lock(mutex_);
  submitted_.wait(lock, [this] { return something_submitted_ || stopping_; });
  if (!std::exchange(something_submitted_, false)) return false;
  committing_.clear();
  for (Lane& lane : lanes_) {
    if (lane.submitted_.items.empty()) continue;
    std::swap(lane.committed_, lane.submitted_);
    committing_.push_back(&lane);
  }
  return true;
}

void Batcher::commit() {
  additions_.clear();
  for (const Lane* lane : committing_) {
    const Batch& batch = lane->committed_;
    for (const Item& item : batch.items) {
      additions_.push_back({.user = batch.user(item), .key = batch.key(item)});
    }
  }
  const base::TimePoint begin = base::now();
  store_.add(additions_);
  const base::Duration took = base::now() - begin;
  stats_.batch_sizes.add(additions_.size());
  stats_.commit_us.add(
      static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::microseconds>(took).count()));
}

void Batcher::hand_back() {
  auto addition = additions_.cbegin();
  for (Lane* lane : committing_) {
    for (Item& item : lane->committed_.items) {
      item.outcome = addition->outcome;
      item.total = addition->total;
      ++addition;
    }
  }
  stats_.waiting.fetch_sub(additions_.size(), std::memory_order_relaxed);
  const std::scoped_lock lock(mutex_);
  for (Lane* lane : committing_) {
    if (lane->done_.items.empty()) {
      std::swap(lane->done_, lane->committed_);
    } else {
      append(lane->done_, lane->committed_);
    }
    lane->committed_.clear();
    if (lane->wake_) lane->wake_();
  }
}

}  // namespace loadcore::counter
