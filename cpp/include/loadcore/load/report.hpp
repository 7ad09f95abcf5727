#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loadcore/base/clock.hpp"
#include "loadcore/histogram/histogram.hpp"

namespace loadcore::load {

/// Where every request went. Of a finished run, always:
/// scheduled = sent + dropped + unsent, and sent = completed + connect + timeout + reset +
/// protocol.
struct Counts {
  std::uint64_t scheduled = 0;  ///< open loop: intended starts; closed loop: what was started
  std::uint64_t sent = 0;       ///< started, be it only with an attempt to connect that failed
  std::uint64_t completed = 0;  ///< answered, whatever the status
  std::uint64_t dropped = 0;    ///< given up by the plan's drop_after
  std::uint64_t unsent = 0;     ///< due, and not yet sent when the run's time was over
  std::uint64_t connect = 0;    ///< failed: no connection
  std::uint64_t timeout = 0;    ///< failed: no complete answer in time
  std::uint64_t reset = 0;      ///< failed: the connection ended before the answer did
  std::uint64_t protocol = 0;   ///< failed: the answer was not HTTP/1.x
  std::uint64_t status = 0;     ///< of those completed: status other than 2xx

  Counts& operator+=(const Counts& other) noexcept;
  bool operator==(const Counts& other) const noexcept = default;

  std::uint64_t failed() const noexcept { return connect + timeout + reset + protocol; }
  /// Whether the two identities hold.
  bool balanced() const noexcept;
};

/// One row of the timeline. Events count in the row in which they happen, `scheduled` in that of
/// the intended start. Histograms are HdrHistogram V2 payloads (histogram/encoding.hpp).
struct IntervalRow {
  base::Duration start{0};  ///< since the start of what is measured
  base::Duration length{0};
  Counts counts;  ///< the identities hold over all rows together, not within one
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::string latency;
  std::string service;
  std::string send_lag;
};

struct ThreadReport {
  base::Duration cpu{0};   ///< that the thread used while it was measuring, of
  base::Duration wall{0};  ///< this much time
  std::uint32_t connections = 0;
  std::uint64_t sent = 0;
  base::Duration late_p50{0};  ///< how late the thread's loop was, see Report::generator_late
  base::Duration late_p99{0};
  base::Duration late_max{0};
};

enum class Outcome : std::uint8_t {
  completed,    ///< ran to the end of its plan
  stopped,      ///< ended early by stop()
  unreachable,  ///< not one connection could be made at the start; nothing was sent
};

enum class VerdictState : std::uint8_t { valid, suspect, generator_bound };

/// Whether the numbers describe the target or the generator, and why. Reasons are sentences
/// without a full stop, the worst first; a valid run has none.
struct Verdict {
  VerdictState state = VerdictState::valid;
  std::vector<std::string> reasons;
};

struct Report {
  Outcome outcome = Outcome::completed;
  std::string reason;  ///< of `unreachable`: what the last attempt to connect said
  std::int64_t started_unix_ns = 0;
  base::Duration duration{0};  ///< of what is measured, up to the end of sending
  base::Duration elapsed{0};   ///< the same up to the last answer
  Counts counts;
  Counts warmup_counts;
  std::vector<std::pair<int, std::uint64_t>> status_codes;  ///< ascending
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t connects = 0;           ///< connections made, reconnections included
  histogram::Histogram latency;         ///< open loop: from the intended start; closed: service
  histogram::Histogram service;         ///< first byte written to last byte read
  histogram::Histogram send_lag;        ///< open loop: actual less intended start, of which
  histogram::Histogram generator_late;  ///< our loop was behind although a connection was free
  histogram::Histogram blocked;         ///< no connection was free
  std::vector<IntervalRow> intervals;
  std::vector<ThreadReport> threads;
  Verdict verdict;
};

enum class Phase : std::uint8_t { connecting, warmup, running, draining, done };

struct Progress {
  Phase phase = Phase::connecting;
  base::Duration elapsed{0};                ///< since the start of what is measured
  std::optional<base::Duration> remaining;  ///< of sending, where the plan is bounded by time
  Counts counts;                            ///< up to the last whole interval
  double rate_rps = 0;                      ///< completed a second over the last whole interval
  base::Duration p50{0};                    ///< latency over the last whole interval
  base::Duration p99{0};
};

}  // namespace loadcore::load
