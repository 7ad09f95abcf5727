#pragma once

#include <cstdint>
#include <optional>

#include "load/recorder.hpp"
#include "load/schedule.hpp"
#include "loadcore/base/clock.hpp"

namespace loadcore::load {

/// One thread's share of an open loop's schedule: thread t of T takes the requests t, t + T, t + 2T
/// and so on. The requests that are due and wait for a connection are no queue but the stretch
/// between the next index and the clock, so that a stall of any length takes no memory.
class Arrivals {
 public:
  struct Share {
    std::uint32_t thread;
    std::uint32_t threads;
  };
  /// Requests from `first_measured` up to `end` are measured, those before are warm-up.
  Arrivals(Schedule schedule, Share share, std::uint64_t first_measured, std::uint64_t end,
           std::optional<base::Duration> drop_after) noexcept
      : schedule_(schedule),
        share_(share),
        first_measured_(first_measured),
        end_(end),
        drop_after_(drop_after),
        next_(share.thread) {}

  /// `origin` is the start of the run, warm-up included.
  void begin(base::TimePoint origin) noexcept { origin_ = origin; }

  /// Takes the next request if it is due at `now`; those too late by the plan are dropped.
  std::optional<Start> take(base::TimePoint now, Recorder& recorder) noexcept;

  /// When the next one is due; TimePoint::max() after the last.
  base::TimePoint next_due() const noexcept {
    return next_ < end_ ? origin_ + schedule_.intended(next_) : base::TimePoint::max();
  }

  /// Nothing is taken from now on: what was due by `now` is unsent, or dropped if it was too late
  /// for the plan; what was not has never been scheduled. Also the last report_scheduled().
  void finish(base::TimePoint now, Recorder& recorder) noexcept;

  /// Tells `recorder` of what was intended to start before `instant` and it was not yet told of.
  void report_scheduled(base::TimePoint instant, Recorder& recorder) noexcept;

 private:
  /// How many of the requests before `index` are this thread's.
  std::uint64_t own_before(std::uint64_t index) const noexcept {
    return index > share_.thread ? (index - share_.thread - 1) / share_.threads + 1 : 0;
  }
  std::uint64_t own_between(std::uint64_t from, std::uint64_t to) const noexcept {
    return to > from ? own_before(to) - own_before(from) : 0;
  }

  /// How many requests, of all threads, are due at `now` or were before.
  std::uint64_t count_due(base::TimePoint now) const noexcept {
    return schedule_.count_before(now - origin_ + base::Duration(1));
  }
  void drop_too_late(base::TimePoint now, Recorder& recorder) noexcept;
  void report_upto(std::uint64_t index, Recorder& recorder) noexcept;

  Schedule schedule_;
  Share share_;
  std::uint64_t first_measured_;
  std::uint64_t end_;
  std::optional<base::Duration> drop_after_;
  base::TimePoint origin_{};
  std::uint64_t next_;
  std::uint64_t reported_ = 0;
};

}  // namespace loadcore::load
