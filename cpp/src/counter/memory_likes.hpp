#pragma once

#include <array>
#include <functional>
#include <mutex>

#include "counter/key_window.hpp"
#include "loadcore/counter/likes.hpp"
#include "loadcore/counter/store.hpp"

namespace loadcore::counter {

/// Likes in memory that are counted once a key: durability `memory`. Keys are spread over a few
/// windows, each with a lock; additions without a key take none of them.
class MemoryLikes final : public Store {
 public:
  MemoryLikes(const LikesOptions& likes, const KeyWindowOptions& keys,
              std::function<std::int64_t()> clock_ms);

  void add(std::span<Addition> batch) override;
  std::int64_t get(std::string_view user) const override { return likes_.get(user); }
  StoreStats stats() const override { return likes_.stats(); }

 private:
  static constexpr std::size_t windows = 16;
  struct alignas(64) Keys {
    std::mutex mutex;
    std::unique_ptr<KeyWindow> window;
  };

  void add_once(Addition& addition);

  Likes likes_;
  const std::function<std::int64_t()> clock_ms_;
  std::array<Keys, windows> keys_;
};

}  // namespace loadcore::counter
