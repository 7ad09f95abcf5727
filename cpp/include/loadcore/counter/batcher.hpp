#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "loadcore/base/clock.hpp"
#include "loadcore/counter/store.hpp"
#include "loadcore/http/server.hpp"

namespace loadcore::counter {

/// Counts of values by powers of two: element i counts those up to 2^i, the last one the rest, each
/// value once. One thread adds, any reads.
struct PowerCounts {
  static constexpr std::size_t size = 32;
  std::array<std::atomic<std::uint64_t>, size> counts{};
  std::atomic<std::uint64_t> sum{0};

  void add(std::uint64_t value) noexcept;
};

/// Figures of the committing thread, for metrics.
struct BatcherStats {
  PowerCounts batch_sizes;                ///< additions a batch
  PowerCounts commit_us;                  ///< microseconds until a batch was safe
  std::atomic<std::uint64_t> shed{0};     ///< additions turned away since the queue was full
  std::atomic<std::uint64_t> waiting{0};  ///< additions not yet answered
};

/// Lets server threads add to a store that waits, without waiting themselves: while one batch is
/// being made safe the next one gathers, and one thread commits them one after the other (group
/// commit). Results come back to each thread once a batch.
class Batcher {
 public:
  struct Item {
    http::Ticket ticket{};
    std::size_t text = 0;  ///< where its user and, behind that, its key begin in the batch's text
    std::uint8_t user_bytes = 0;
    std::uint8_t key_bytes = 0;
    Outcome outcome = Outcome::counted;
    std::int64_t total = 0;
  };
  struct Batch {
    std::string text;
    std::vector<Item> items;

    std::string_view user(const Item& item) const noexcept {
      return std::string_view(text).substr(item.text, item.user_bytes);
    }
    std::string_view key(const Item& item) const noexcept {
      return std::string_view(text).substr(item.text + item.user_bytes, item.key_bytes);
    }
    void clear() noexcept {
      text.clear();
      items.clear();
    }
  };

  /// One server thread's way in and out; all calls are that thread's.
  class Lane {
   public:
    /// Whether one more addition would be turned away: ask before push().
    bool full() noexcept;
    /// Keeps an addition for submit(). True for the first one since then.
    bool push(http::Ticket ticket, std::string_view user, std::string_view key);
    /// Hands over what was pushed. False where it did not, since more has come since the last call:
    /// call again once what has arrived meanwhile is pushed. Larger batches make the sync cheaper
    /// for each, and nothing waits longer than gather_max for others.
    bool submit();
    /// What was committed since the last call; valid until the next one.
    const Batch& take_done();

   private:
    friend class Batcher;
    explicit Lane(Batcher& batcher) noexcept : batcher_(batcher) {}
    bool more_has_come() noexcept;

    Batcher& batcher_;
    Batch pushed_;  // the server thread's, as are the next three
    std::size_t pushed_before_ = 0;
    base::TimePoint gathering_since_{};
    Batch taken_;
    Batch committed_;  // the committing thread's
    Batch submitted_;  // below: guarded by the batcher's mutex
    Batch done_;
    std::function<void()> wake_;
  };

  static constexpr base::Duration gather_max = std::chrono::milliseconds(1);

  /// At most `waiting_max` additions wait at any time. `store` must outlive the batcher.
  Batcher(Store& store, std::size_t waiting_max);
  /// Commits what was submitted, then ends.
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  /// A new lane; `wake` is called on the committing thread when there is something done. The lane
  /// lives as long as the batcher.
  Lane& open_lane(std::function<void()> wake);
  /// `wake` is not called once this has returned.
  void close_lane(Lane& lane);

  const BatcherStats& stats() const noexcept { return stats_; }

 private:
  void run();
  bool gather();
  void commit();
  void hand_back();

  Store& store_;
  const std::size_t waiting_max_;
  BatcherStats stats_;
  // The committing thread's: what is in the batch under way. It does not walk lanes_ without the
  // mutex, since a lane may be opened at any time.
  std::vector<Addition> additions_;
  std::vector<Lane*> committing_;

  std::mutex mutex_;
  std::condition_variable submitted_;
  std::deque<Lane> lanes_;
  bool something_submitted_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace loadcore::counter
