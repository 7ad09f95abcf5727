#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace loadcore::counter {

/// The longest user id, in bytes.
inline constexpr std::size_t user_bytes_max = 128;

/// The longest Idempotency-Key, in bytes.
inline constexpr std::size_t key_bytes_max = 128;

enum class Outcome : std::uint8_t {
  counted,
  replayed,      ///< the key was seen before: `total` is the first answer, nothing was counted
  key_conflict,  ///< the key was seen before, with another user: nothing was counted
  full,          ///< the user is new, and the store holds as many as it may
  overflow,      ///< the total would exceed 2^63 - 1
  unavailable,   ///< could not be kept; whether it will turn out to be counted is not known
};
inline constexpr std::array<std::string_view, 6> outcome_names{
    "counted", "replayed", "key_conflict", "full", "overflow", "unavailable"};

/// One addition of a batch; the store fills in the second half.
struct Addition {
  std::string_view user;   ///< 1 to user_bytes_max bytes
  std::int64_t likes = 1;  ///< 1 or more; 1 with a key
  std::string_view key{};  ///< Idempotency-Key, up to key_bytes_max bytes; empty: none
  Outcome outcome = Outcome::counted;
  std::int64_t total = 0;  ///< after it; where it was not counted, as before
};

struct StoreStats {
  std::uint64_t users = 0;
  std::uint64_t likes = 0;
};

/// Where likes are kept: the seam between the routes and memory, a disk or a database. Additions
/// come in batches so that a store that waits for a disk can wait once for many. Any thread may
/// call; when add() returns, the batch is as safe as the store promises to make it.
class Store {
 public:
  virtual ~Store() = default;
  /// Counts each addition of the batch, in order, or refuses it alone.
  virtual void add(std::span<Addition> batch) = 0;
  /// The user's total; 0 for one never liked, of whom nothing is then kept.
  virtual std::int64_t get(std::string_view user) const = 0;
  virtual StoreStats stats() const = 0;
  /// Why it can no longer keep its promise; empty while it can.
  virtual std::string failure() const { return {}; }
  /// Whether add() waits, so that server threads had better not call it themselves.
  virtual bool add_waits() const noexcept { return false; }
};

}  // namespace loadcore::counter
