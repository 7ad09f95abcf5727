#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "loadcore/base/clock.hpp"
#include "loadcore/load/report.hpp"

namespace loadcore::load {

/// What the threads of one run share: how many are ready, when all of them start, how many requests
/// are left, and whether to stop. Every method may be called from any thread.
class RunControl {
 public:
  /// `wake_all` makes every worker look at this again. `requests` is the closed loop's bound.
  RunControl(std::uint32_t workers, std::uint64_t requests, std::function<void()> wake_all)
      : workers_(workers), requests_left_(requests), wake_all_(std::move(wake_all)) {}

  static constexpr std::uint64_t unbounded = UINT64_MAX;

  /// From now() on, time enough for every worker to have set its alarm to the common start.
  static constexpr base::Duration start_delay = std::chrono::milliseconds(1);

  /// A worker has tried all its connections and made `connected` of them. The last one to call
  /// decides: the run starts right after `now`, or, without a single connection, is over.
  void ready(std::uint32_t connected, base::TimePoint now) noexcept {
    connected_ += connected;
    if (ready_.fetch_add(1) + 1 < workers_) return;
    if (connected_ == 0) {
      unreachable_ = true;
    } else {
      started_ = (now + start_delay).time_since_epoch().count();
    }
    wake_all_();
  }

  bool unreachable() const noexcept { return unreachable_; }
  /// The common start of all workers, warm-up included; the epoch before that is known.
  base::TimePoint started() const noexcept { return base::TimePoint(base::Duration(started_)); }
  bool has_started() const noexcept { return started_ != 0; }

  /// Takes one request of the closed loop's bound; false if none is left.
  bool take_request() noexcept {
    auto left = requests_left_.load(std::memory_order_relaxed);
    if (left == unbounded) return true;
    while (left > 0) {
      if (!requests_left_.compare_exchange_weak(left, left - 1, std::memory_order_relaxed))
        continue;
      // Workers that wait to take one, thinking or backing off, need not wait any longer.
      if (left == 1) wake_all_();
      return true;
    }
    return false;
  }
  bool requests_exhausted() const noexcept { return requests_left_ == 0; }

  /// Nothing is to start from now on; what is outstanding is given up at `give_up`.
  void stop(base::TimePoint give_up) noexcept {
    const auto at = give_up.time_since_epoch().count();
    auto before = give_up_.load();
    while (at < before && !give_up_.compare_exchange_weak(before, at)) {
    }
    stopping_ = true;
    wake_all_();
  }
  bool stopping() const noexcept { return stopping_; }
  base::TimePoint give_up() const noexcept { return base::TimePoint(base::Duration(give_up_)); }

  void note_connect_failure(std::string_view reason) {
    const std::scoped_lock lock(mutex_);
    connect_failure_ = reason;
  }
  std::string connect_failure() const {
    const std::scoped_lock lock(mutex_);
    return connect_failure_;
  }

 private:
  const std::uint32_t workers_;
  std::atomic<std::uint64_t> requests_left_;
  std::atomic<std::uint32_t> ready_{0};
  std::atomic<std::uint32_t> connected_{0};
  std::atomic<std::int64_t> started_{0};
  std::atomic<bool> unreachable_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<std::int64_t> give_up_{INT64_MAX};
  std::function<void()> wake_all_;
  mutable std::mutex mutex_;
  std::string connect_failure_;
};

}  // namespace loadcore::load
