#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "loadcore/counter/sip_hash.hpp"
#include "loadcore/counter/store.hpp"

namespace loadcore::counter {

/// The secret that users' places in the table depend on.
struct HashKey {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};

struct LikesOptions {
  /// More users than this are refused. With ids of 24 bytes, ten million take some 650 MB.
  std::uint64_t users_max = 10'000'000;
  std::optional<HashKey> hash_key{};  ///< a random one without it
};

/// Totals in memory, gone with the process. A user belongs to one of 256 shards, each a lock, a
/// table of references and an arena where totals and ids lie side by side; an addition costs one
/// hash and one short lock. Totals are exact whatever the threads do; users are never forgotten.
class Likes final : public Store {
 public:
  explicit Likes(const LikesOptions& options = {});

  void add(std::span<Addition> batch) override;
  std::int64_t get(std::string_view user) const override;
  /// Shard by shard: with additions under way, of no single instant.
  StoreStats stats() const override;

  /// The same as get(), but tells a user never liked from one that is there.
  std::optional<std::int64_t> find(std::string_view user) const;
  std::uint64_t users() const noexcept { return users_.load(std::memory_order_relaxed); }

  static constexpr std::uint32_t shard_bits = 8;
  static constexpr std::uint32_t shard_count = 1U << shard_bits;
  HashKey hash_key() const noexcept { return hash_key_; }
  /// The leading shard_bits bits of the id's SipHash.
  std::uint32_t shard_of(std::string_view user) const noexcept { return shard_of(hash_(user)); }
  /// Calls `look` for every user of a shard, of one instant: additions to it wait.
  void read_shard(std::uint32_t shard,
                  const std::function<void(std::string_view user, std::int64_t total)>& look) const;

 private:
  /// A place in a shard's arena, and the bits of the hash that say where the table looks for it.
  struct Reference {
    std::uint32_t hash;
    std::uint32_t place;  // 0: free
  };

  struct alignas(64) Shard {
    mutable std::mutex mutex;
    std::vector<Reference> table;
    std::vector<std::unique_ptr<std::uint64_t[]>> chunks;
    std::size_t words_used = 0;  // of the last chunk
    std::uint64_t users = 0;
    std::uint64_t likes = 0;

    std::size_t find(std::string_view user, std::uint32_t hash) const noexcept;
    std::uint64_t* entry(std::uint32_t place) const noexcept;
    std::uint32_t append(std::string_view user);
    void grow();
  };

  void add_one(Addition& addition);
  bool reserve_user() noexcept;
  static std::uint32_t shard_of(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash >> (64 - shard_bits));
  }

  const std::uint64_t users_max_;
  const HashKey hash_key_;
  const SipHash<> hash_;
  std::atomic<std::uint64_t> users_{0};
  std::vector<Shard> shards_;
};

}  // namespace loadcore::counter
