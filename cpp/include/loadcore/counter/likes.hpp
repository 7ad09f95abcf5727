#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "loadcore/counter/sip_hash.hpp"
#include "loadcore/counter/store.hpp"

namespace loadcore::counter {

struct LikesOptions {
  /// More users than this are refused. With ids of 24 bytes, ten million take some 650 MB.
  std::uint64_t users_max = 10'000'000;
};

/// Totals in memory, gone with the process. A user belongs to one of 64 shards, each a lock, a
/// table of references and an arena where totals and ids lie side by side; an addition costs one
/// hash and one short lock. Totals are exact whatever the threads do; users are never forgotten.
class Likes final : public Store {
 public:
  explicit Likes(const LikesOptions& options = {});

  void add(std::span<Addition> batch) override;
  std::int64_t get(std::string_view user) const override;
  /// Shard by shard: with additions under way, of no single instant.
  StoreStats stats() const override;

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

  static constexpr std::size_t shard_bits = 6;

  void add_one(Addition& addition);
  bool reserve_user() noexcept;
  static std::size_t shard_of(std::uint64_t hash) noexcept { return hash >> (64 - shard_bits); }

  const std::uint64_t users_max_;
  const SipHash<> hash_;
  std::atomic<std::uint64_t> users_{0};
  std::vector<Shard> shards_;
};

}  // namespace loadcore::counter
