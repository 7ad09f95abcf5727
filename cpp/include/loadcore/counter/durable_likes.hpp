#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "loadcore/base/clock.hpp"
#include "loadcore/counter/disk.hpp"
#include "loadcore/counter/store.hpp"

namespace loadcore::counter {

/// What the answer to an addition promises.
enum class Durability : std::uint8_t {
  memory,  ///< nothing: gone with the process
  os,      ///< survives the process, since the operating system has it
  fsync,   ///< survives a loss of power, since the disk has said so
};

/// What befalls a store besides additions.
struct StoreEvent {
  enum class Kind : std::uint8_t { failed, snapshot_taken, snapshot_failed };
  Kind kind;
  std::string_view reason = {};  ///< of `failed`: what DurableLikes::failure() says from now on
  std::uint64_t bytes = 0;       ///< of a snapshot that was taken
  base::Duration took{0};        ///< of a snapshot
};

struct DurableOptions {
  Durability durability = Durability::fsync;  ///< os or fsync
  std::uint64_t users_max = 10'000'000;       ///< new users beyond are refused
  std::int64_t key_age_ms_max = 24LL * 60 * 60 * 1000;
  std::uint64_t keys_max = 1U << 20;
  /// A snapshot is taken, and the log before it dropped, once the log is this long and half as long
  /// as the last snapshot.
  std::uint64_t snapshot_log_bytes = 64ULL * 1024 * 1024;
  /// Milliseconds since 1970; the system's clock without it.
  std::function<std::int64_t()> clock_ms;
  /// Hears of what befalls the store, on whichever thread notices; must neither wait nor throw.
  std::function<void(const StoreEvent&)> observer;
};

struct DurableStats {
  std::uint64_t sequence = 0;   ///< of the last frame that is kept
  std::uint64_t log_bytes = 0;  ///< behind the last snapshot
  std::uint64_t snapshots = 0;  ///< taken by this process
  std::uint64_t snapshot_failures = 0;
  std::uint64_t keys = 0;
  std::uint64_t keys_forgotten_early = 0;
  std::uint64_t recovered_frames = 0;
  std::uint64_t torn_bytes = 0;  ///< cut off at the start: a batch nobody was told of
};

/// Likes that survive: a log of batches, snapshots of it, and everything in memory to read from.
/// get() shows an addition only once it is as safe as was promised, so that no crash takes back
/// what somebody has read.
class DurableLikes final : public Store {
 public:
  /// Recovers what the directory holds. Throws base::RunError, one sentence, for a directory that
  /// is damaged, of a newer version, or cannot be read or written.
  DurableLikes(std::unique_ptr<Disk> disk, DurableOptions options);
  ~DurableLikes() override;

  void add(std::span<Addition> batch) override;
  std::int64_t get(std::string_view user) const override;
  StoreStats stats() const override;
  std::string failure() const override;
  bool add_waits() const noexcept override { return true; }

  DurableStats durable_stats() const;
  /// Takes a snapshot now; false where that failed. For tests and for care, not for the hot path.
  bool take_snapshot();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace loadcore::counter
