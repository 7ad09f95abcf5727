#include "counter/memory_likes.hpp"

#include <string_view>
#include <utility>

namespace loadcore::counter {

MemoryLikes::MemoryLikes(const LikesOptions& likes, const KeyWindowOptions& keys,
                         std::function<std::int64_t()> clock_ms)
    : likes_(likes), clock_ms_(std::move(clock_ms)) {
  KeyWindowOptions part = keys;
  // Rounded up, so that together they hold at least as many as was asked for.
  part.keys_max = keys.keys_max / windows + 1;
  for (Keys& shard : keys_) shard.window = std::make_unique<KeyWindow>(part);
}

void MemoryLikes::add(std::span<Addition> batch) {
  for (Addition& addition : batch) {
    if (addition.key.empty()) {
      likes_.add({&addition, 1});
    } else {
      add_once(addition);
    }
  }
}

void MemoryLikes::add_once(Addition& addition) {
  Keys& keys = keys_[std::hash<std::string_view>()(addition.key) % windows];
  const std::scoped_lock lock(keys.mutex);
  const std::int64_t now_ms = clock_ms_();
  if (const auto answered = keys.window->find(addition.key, now_ms)) {
    const bool same = answered->user == addition.user;
    addition.outcome = same ? Outcome::replayed : Outcome::key_conflict;
    addition.total = same ? answered->total : 0;
    return;
  }
  likes_.add({&addition, 1});
  if (addition.outcome == Outcome::counted) {
    keys.window->remember(addition.key, addition.user, addition.total, now_ms);
  }
}

}  // namespace loadcore::counter
