#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "loadcore/counter/sip_hash.hpp"
#include "loadcore/counter/store.hpp"

namespace loadcore::counter {

struct KeyWindowOptions {
  std::int64_t age_ms_max = 24LL * 60 * 60 * 1000;
  std::uint64_t keys_max = 1U << 20;  ///< 1 or more; beyond it the oldest goes before its time
};

/// The Idempotency-Keys answered lately, each with its user and the answer given, in the order of
/// their coming. Memory is bounded by keys_max: some 60 bytes a key and its texts. Not thread-safe.
class KeyWindow {
 public:
  explicit KeyWindow(const KeyWindowOptions& options = {});

  /// What was answered under a key; views last until remember() or expire().
  struct Answered {
    std::string_view user;
    std::int64_t total = 0;
  };
  /// Nothing where the key is new, or older than the window at `now_ms`.
  std::optional<Answered> find(std::string_view key, std::int64_t now_ms) const noexcept;

  /// Takes in a key of 1 to key_bytes_max bytes, from a user of 1 to 255. If it is there already,
  /// this answer is the one that is found from now on.
  void remember(std::string_view key, std::string_view user, std::int64_t total,
                std::int64_t unix_ms);

  /// Forgets what is older than the window.
  void expire(std::int64_t now_ms) noexcept;

  /// Records kept; of a key that came again, both.
  std::uint64_t size() const noexcept { return keys_; }
  /// Keys that had to go before their time since keys_max were there.
  std::uint64_t forgotten_early() const noexcept { return forgotten_early_; }

  struct Record {
    std::string_view key;
    std::string_view user;
    std::int64_t total = 0;
    std::int64_t unix_ms = 0;
  };
  /// A place in the order of coming, for reading the whole window piece by piece while it goes on.
  using Place = std::uint64_t;
  Place begin() const noexcept { return first_; }
  /// Calls `look` for up to `records` records from `place` on, or from the first that is left;
  /// returns the place after them, which is end() when there are no more.
  Place read(Place place, std::size_t records,
             const std::function<void(const Record&)>& look) const;
  Place end() const noexcept { return end_; }

 private:
  struct Slot {
    std::uint64_t place_and_one = 0;  // 0: free
    std::uint64_t hash = 0;
  };

  const char* at(Place place) const noexcept;
  Record record(Place place) const noexcept;
  Place after(Place place) const noexcept;
  /// The same place, or the next chunk's first if there is only a gap at this one's end.
  Place past_gap(Place place) const noexcept;
  std::size_t slot_of(std::string_view key, std::uint64_t hash) const noexcept;
  bool is_old(const Record& record, std::int64_t now_ms) const noexcept;
  void forget_oldest() noexcept;
  /// Empties a slot and keeps those behind it findable.
  void free_slot(std::size_t hole) noexcept;
  void grow();

  const KeyWindowOptions options_;
  const SipHash<> hash_;
  std::vector<Slot> slots_;  // a power of two, at most half of them used
  std::uint64_t keys_ = 0;
  std::uint64_t forgotten_early_ = 0;
  std::int64_t latest_ms_ = INT64_MIN / 2;

  // Records lie one behind the other in chunks; a place counts bytes since the first one ever.
  std::deque<std::unique_ptr<char[]>> chunks_;
  Place chunks_from_ = 0;
  Place first_ = 0;
  Place end_ = 0;
};

}  // namespace loadcore::counter
