#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "load/timeline.hpp"
#include "loadcore/base/clock.hpp"
#include "loadcore/histogram/histogram.hpp"
#include "loadcore/histogram/interval_recorder.hpp"
#include "loadcore/http/client.hpp"
#include "loadcore/load/report.hpp"

namespace loadcore::load {

/// What is known of a request when it starts and needed when it ends.
struct Start {
  base::TimePoint intended;  ///< closed loop: the same as `actual`
  base::TimePoint actual;
  bool measured = false;  ///< false during warm-up
};

/// One thread's measurements. The row under way and the totals belong to that thread; rows that
/// are closed may be read by others through read().
class Recorder {
 public:
  Recorder(bool open_loop, Timeline timeline, std::uint64_t request_bytes);

  /// So many requests were meant to start in the row under way. Closed loop: never called, since
  /// there a request is scheduled when it is sent.
  void scheduled(std::uint64_t requests, bool measured) noexcept {
    counts(measured).scheduled += requests;
  }
  /// A request was sent on a connection that had been free since `free_since`.
  void sent(const Start& start, base::TimePoint free_since) noexcept;
  void answered(const Start& start, const http::Response& answer) noexcept;
  /// A request that sent() was called for ended without an answer.
  void failed(const Start& start, http::Failure failure, std::uint64_t bytes_received) noexcept;
  /// A request ended before anything was written: there was no connection for it.
  void failed_to_connect(bool measured) noexcept;
  void dropped(std::uint64_t requests, bool measured) noexcept {
    counts(measured).dropped += requests;
  }
  void unsent(std::uint64_t requests, bool measured) noexcept {
    counts(measured).unsent += requests;
  }
  void connected() noexcept { ++connects_; }

  /// End of the row under way, since the start of what is measured.
  base::Duration row_end() const noexcept { return timeline_.end(row_, row_start_); }
  /// Closes the row under way at `end`, publishes it and begins the next one there.
  void close_row(base::Duration end);
  /// The same at the end of the run, unless there is nothing to close.
  void close_last_row(base::Duration end) {
    if (end > row_start_ || row_counts_ != Counts{}) close_row(end);
  }

  struct Published {
    std::vector<IntervalRow> rows;
    Counts counts;  ///< sum over the rows
  };
  /// Calls `look` with what is published so far, under a lock. From any thread.
  void read(const std::function<void(const Published&)>& look) const;

  /// Adds everything but the rows to `report`. Once the thread has ended and closed its last row.
  void add_to(Report& report) const;
  /// Of `thread`, fills in what was sent and how late.
  void describe(ThreadReport& thread) const;

 private:
  /// What only an open loop measures; a closed one saves its 1.6 MB.
  struct OpenLoop {
    histogram::IntervalRecorder latency;
    histogram::IntervalRecorder send_lag;
    histogram::Histogram generator_late;
    histogram::Histogram blocked;
  };

  Counts& counts(bool measured) noexcept { return measured ? row_counts_ : warmup_; }

  Timeline timeline_;
  std::uint64_t request_bytes_;
  std::unique_ptr<OpenLoop> open_loop_;
  histogram::IntervalRecorder service_;

  std::uint32_t row_ = 0;
  base::Duration row_start_{0};
  Counts row_counts_;
  std::uint64_t row_requests_written_ = 0;
  std::uint64_t row_bytes_received_ = 0;

  Counts warmup_;
  std::uint64_t connects_ = 0;
  std::array<std::uint64_t, 1000> status_codes_{};

  mutable std::mutex mutex_;
  Published published_;
};

}  // namespace loadcore::load
