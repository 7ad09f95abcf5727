#include "counter/batch_plan.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>

#include "loadcore/base/assert.hpp"

namespace loadcore::counter {
namespace {

constexpr std::int64_t total_max = std::numeric_limits<std::int64_t>::max();

std::size_t place_of(std::string_view text, std::size_t table_size) noexcept {
  // No attack to fear: a batch is small, and its users come in through a limit.
  return std::hash<std::string_view>()(text) & (table_size - 1);
}

}  // namespace

void BatchPlan::make(std::span<Addition> batch, const Likes& likes, const KeyWindow& keys,
                     std::uint64_t users_max, std::int64_t now_ms) {
  batch_ = batch;
  ++number_;
  new_users_ = 0;
  changes_.clear();
  make_room(batch.size());
  for (std::uint32_t index = 0; index < batch.size(); ++index) {
    decide(index, likes, keys, users_max, now_ms);
  }
}

void BatchPlan::make_room(std::size_t additions) {
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(64, 2 * additions));
  if (users_.size() >= size) return;
  users_.assign(size, {});
  keys_.assign(size, {});
}

void BatchPlan::decide(std::uint32_t index, const Likes& likes, const KeyWindow& keys,
                       std::uint64_t users_max, std::int64_t now_ms) {
  Addition& addition = batch_[index];
  LOADCORE_ASSERT(!addition.user.empty() && addition.user.size() <= user_bytes_max &&
                  addition.likes > 0 && addition.key.size() <= key_bytes_max &&
                  (addition.key.empty() || addition.likes == 1));
  Slot* key_slot = nullptr;
  if (!addition.key.empty()) {
    if (const auto answered = keys.find(addition.key, now_ms)) {
      const bool same = answered->user == addition.user;
      addition.outcome = same ? Outcome::replayed : Outcome::key_conflict;
      addition.total = same ? answered->total : 0;
      return;
    }
    key_slot = &slot_of_key(addition.key);
    if (key_slot->batch == number_) {
      // The retry overtook its own first attempt's answer; both get the same.
      const Addition& first = batch_[key_slot->index];
      const bool same = first.user == addition.user;
      addition.outcome = same ? Outcome::replayed : Outcome::key_conflict;
      addition.total = same ? first.total : 0;
      return;
    }
  }
  Change* const change = change_of(addition.user, likes, users_max);
  if (change == nullptr) {
    addition.outcome = Outcome::full;
    addition.total = 0;
    return;
  }
  const std::int64_t total = change->before + change->all;
  if (addition.likes > total_max - total) {
    addition.outcome = Outcome::overflow;
    addition.total = total;
    return;
  }
  change->all += addition.likes;
  if (key_slot != nullptr) {
    *key_slot = {number_, index};
  } else {
    change->plain += addition.likes;
  }
  addition.outcome = Outcome::counted;
  addition.total = total + addition.likes;
}

BatchPlan::Slot& BatchPlan::slot_of_key(std::string_view key) {
  std::size_t place = place_of(key, keys_.size());
  while (keys_[place].batch == number_ && batch_[keys_[place].index].key != key) {
    place = (place + 1) & (keys_.size() - 1);
  }
  return keys_[place];
}

BatchPlan::Slot& BatchPlan::slot_of_user(std::string_view user) {
  std::size_t place = place_of(user, users_.size());
  while (users_[place].batch == number_ && changes_[users_[place].index].user != user) {
    place = (place + 1) & (users_.size() - 1);
  }
  return users_[place];
}

/// Null where the user is new and there is no room for another.
BatchPlan::Change* BatchPlan::change_of(std::string_view user, const Likes& likes,
                                        std::uint64_t users_max) {
  Slot& slot = slot_of_user(user);
  if (slot.batch == number_) return &changes_[slot.index];
  const auto before = likes.find(user);
  if (!before) {
    if (likes.users() + new_users_ >= users_max) return nullptr;
    ++new_users_;
  }
  slot = {number_, static_cast<std::uint32_t>(changes_.size())};
  return &changes_.emplace_back(Change{user, before.value_or(0), 0, 0});
}

bool BatchPlan::write(FrameBuilder& frame) const {
  frame.begin();
  for (const Change& change : changes_) {
    if (change.plain > 0) frame.add(change.user, static_cast<std::uint64_t>(change.plain));
  }
  for (const Addition& addition : batch_) {
    if (addition.outcome != Outcome::counted || addition.key.empty()) continue;
    frame.add_keyed(addition.user, addition.key, static_cast<std::uint64_t>(addition.total));
  }
  return !frame.empty();
}

void BatchPlan::apply(Likes& likes, KeyWindow& keys, std::int64_t unix_ms) const {
  for (const Change& change : changes_) {
    if (change.all == 0) continue;
    Addition addition{.user = change.user, .likes = change.all};
    likes.add({&addition, 1});
    LOADCORE_ASSERT(addition.outcome == Outcome::counted);
  }
  for (const Addition& addition : batch_) {
    if (addition.outcome != Outcome::counted || addition.key.empty()) continue;
    keys.remember(addition.key, addition.user, addition.total, unix_ms);
  }
}

void BatchPlan::take_back() const noexcept {
  for (Addition& addition : batch_) {
    // A replay of an answer that is safe stands, but one of this very batch does not; telling them
    // apart is not worth the trouble, for a client that may ask again.
    if (addition.outcome == Outcome::counted || addition.outcome == Outcome::replayed) {
      addition.outcome = Outcome::unavailable;
      addition.total = 0;
    }
  }
}

}  // namespace loadcore::counter
