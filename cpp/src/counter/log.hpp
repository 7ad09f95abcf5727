#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "counter/log_ring.hpp"
#include "loadcore/base/clock.hpp"
#include "loadcore/base/tally.hpp"

namespace loadcore::counter {

/// What there is to log. Each kind has a level and a rate beyond which it is only counted.
enum class LogEvent : std::uint8_t {
  started,
  recovered,
  draining,
  stopped,
  connection_turned_away,
  accept_failed,
  request_refused,
  client_timed_out,
  error_answered,
  store_failed,
  snapshot_taken,
  snapshot_failed,
  request,
};
inline constexpr std::size_t log_events = static_cast<std::size_t>(LogEvent::request) + 1;

/// The members of a line's JSON object, being written. Texts are cut at text_bytes_max.
class LogFields {
 public:
  static constexpr std::size_t text_bytes_max = 256;

  explicit LogFields(std::string& json) noexcept : json_(json) {}
  LogFields& text(std::string_view name, std::string_view value);
  LogFields& number(std::string_view name, std::uint64_t value);
  LogFields& number(std::string_view name, double value);

 private:
  void name(std::string_view name);

  std::string& json_;
};

struct LogStats {
  std::uint64_t lines = 0;       ///< written
  std::uint64_t suppressed = 0;  ///< beyond a kind's rate: counted instead of logged
  std::uint64_t dropped = 0;     ///< since whoever reads the log was too slow, or is gone
};

/// JSON lines on a descriptor: `{"ts": …, "level": …, "event": …, …}`. A thread that logs puts the
/// line into a ring of its own and goes on; one thread takes them out and writes. Nobody ever waits
/// for the log: what does not fit is dropped and counted.
class Log {
 public:
  struct Options {
    int descriptor = 2;                       ///< not owned
    std::size_t ring_bytes = 64 * 1024;       ///< a thread
    std::function<std::int64_t()> unix_ns{};  ///< the system's clock without it
  };

  /// One thread's way into the log, or that of several which take turns.
  class Source {
   public:
    /// For open_source().
    explicit Source(Log& log) : log_(log), ring_(log.options_.ring_bytes) {}

    /// Logs a line with the members that `fill` adds, unless too many of its kind were logged in
    /// this second already; then `fill` is not called.
    template <typename Fill>
    void write(LogEvent event, const Fill& fill) {
      const std::int64_t now_ns = log_.options_.unix_ns();
      if (!take(event, now_ns)) return;
      json_.clear();
      LogFields fields(json_);
      fill(fields);
      put(event, now_ns);
    }
    void write(LogEvent event) {
      write(event, [](LogFields&) {});
    }

   private:
    friend class Log;
    bool take(LogEvent event, std::int64_t now_ns) noexcept;
    void put(LogEvent event, std::int64_t now_ns) noexcept;

    struct Rate {
      std::int64_t second = 0;
      std::uint32_t taken = 0;
    };
    Log& log_;
    std::array<Rate, log_events> rates_{};
    std::string json_;
    LogRing ring_;
    std::array<base::Tally, log_events> suppressed_;
    base::Tally dropped_;
  };

  explicit Log(Options options);
  /// Writes what is left, as far as its reader takes it within a second.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// Lives as long as the log.
  Source& open_source();
  LogStats stats() const;

 private:
  std::vector<Source*> sources() const;
  void wake() noexcept;

  // the writing thread's
  void run();
  bool drain();
  void report();
  void report(std::string_view event, std::string_view of, std::uint64_t count,
              std::uint64_t& reported);
  void append_line(std::int64_t unix_ns, std::string_view level, std::string_view event,
                   std::string_view members);
  void flush();
  bool anything() const;
  void wait();

  Options options_;
  const int waker_;
  mutable std::mutex mutex_;  // of the list of sources
  mutable std::deque<Source> sources_;
  base::Tally lines_;
  base::Tally lost_;  // lines that could not be written
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stopping_{false};

  // the writing thread's
  std::string record_;
  std::string out_;
  std::array<std::uint64_t, log_events> suppressed_reported_{};
  std::uint64_t dropped_reported_ = 0;
  base::TimePoint reported_{};
  base::TimePoint busy_{};
  std::thread thread_;
};

}  // namespace loadcore::counter
