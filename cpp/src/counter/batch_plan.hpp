#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "counter/frame.hpp"
#include "counter/key_window.hpp"
#include "loadcore/counter/likes.hpp"
#include "loadcore/counter/store.hpp"

namespace loadcore::counter {

/// Decides what becomes of each addition of a batch before anything is written: totals, replays,
/// refusals. Kept and reused from batch to batch, so that it allocates nothing once it is warm.
class BatchPlan {
 public:
  /// Fills in outcome and total of every addition as if the batch were kept. `batch`, and the
  /// texts it views, must last until the plan is made anew.
  void make(std::span<Addition> batch, const Likes& likes, const KeyWindow& keys,
            std::uint64_t users_max, std::int64_t now_ms);

  /// Puts what is to be counted into the frame; false if that is nothing.
  bool write(FrameBuilder& frame) const;

  /// The batch is kept: puts it where it is read from.
  void apply(Likes& likes, KeyWindow& keys, std::int64_t unix_ms) const;

  /// The batch is not kept: whoever was to be counted is told so.
  void take_back() const noexcept;

 private:
  /// What the batch does to one user.
  struct Change {
    std::string_view user;
    std::int64_t before = 0;
    std::int64_t plain = 0;  ///< likes without a key
    std::int64_t all = 0;
  };
  /// A place in one of the two tables below, valid for the batch with that number.
  struct Slot {
    std::uint64_t batch = 0;
    std::uint32_t index = 0;
  };

  void decide(std::uint32_t index, const Likes& likes, const KeyWindow& keys,
              std::uint64_t users_max, std::int64_t now_ms);
  Change* change_of(std::string_view user, const Likes& likes, std::uint64_t users_max);
  /// The batch's own addition with that key that is to be counted, or the place for this one.
  Slot& slot_of_key(std::string_view key);
  Slot& slot_of_user(std::string_view user);
  void make_room(std::size_t additions);

  std::span<Addition> batch_;
  std::uint64_t number_ = 0;
  std::uint64_t new_users_ = 0;
  std::vector<Change> changes_;
  std::vector<Slot> users_;  // by hash of the user, into changes_
  std::vector<Slot> keys_;   // by hash of the key, into batch_
};

}  // namespace loadcore::counter
