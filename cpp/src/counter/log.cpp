#include "counter/log.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <optional>
#include <utility>

#include "counter/json_text.hpp"
#include "loadcore/base/error.hpp"

namespace loadcore::counter {
namespace {

constexpr std::int64_t ns_per_second = 1'000'000'000;
/// For lines to gather while there are many, so that waking the writer costs nobody much.
constexpr auto gathering_time = std::chrono::milliseconds(10);
/// After this long without a line nothing is left to report either.
constexpr auto busy_time = std::chrono::seconds(2);
constexpr auto report_interval = std::chrono::seconds(1);
/// For the log's reader at the end.
constexpr auto last_patience = std::chrono::seconds(1);
/// Lines of one source before others have their turn.
constexpr int lines_at_once = 4096;

struct Kind {
  std::string_view name;
  std::string_view level;
  std::uint32_t per_second;  ///< and source
};

/// As many lines as a pipe takes in one piece, so that no other writer's get between them.
std::string_view first_lines(std::string_view lines) noexcept {
  if (lines.size() <= PIPE_BUF) return lines;
  const std::size_t end = lines.rfind('\n', PIPE_BUF - 1);
  return lines.substr(0, end == std::string_view::npos ? PIPE_BUF : end + 1);
}

std::uint64_t lines_in(std::string_view text) noexcept {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

constexpr std::array<Kind, log_events> kinds{{
    {"started", "info", 10},
    {"recovered", "info", 10},
    {"draining", "info", 10},
    {"stopped", "info", 10},
    {"connection_turned_away", "warning", 10},
    {"accept_failed", "error", 10},
    {"request_refused", "warning", 10},
    {"client_timed_out", "warning", 10},
    {"error_answered", "error", 10},
    {"store_failed", "error", 10},
    {"snapshot_taken", "info", 10},
    {"snapshot_failed", "error", 10},
    {"request", "info", 1000},
}};

std::int64_t system_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// RFC 3339, UTC, to the microsecond.
void append_time(std::string& to, std::int64_t unix_ns) {
  const std::time_t second = unix_ns / ns_per_second;
  std::tm utc{};
  ::gmtime_r(&second, &utc);
  char text[80];
  const int size =
      std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", utc.tm_year + 1900,
                    utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                    static_cast<int>(unix_ns % ns_per_second / 1000));
  to.append(text, static_cast<std::size_t>(size));
}

/// A thread that writes to a pipe whose reader is gone must not end the process.
std::thread start_without_signals(const std::function<void()>& body) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(body);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

template <typename Number>
void append_number(std::string& to, Number value) {
  char text[32];
  to.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

}  // namespace

// --- what a line holds

void LogFields::name(std::string_view name) { json_.append(", \"").append(name).append("\": "); }

LogFields& LogFields::text(std::string_view name, std::string_view value) {
  this->name(name);
  json_ += '"';
  append_json(json_, value.substr(0, text_bytes_max));
  json_ += '"';
  return *this;
}

LogFields& LogFields::number(std::string_view name, std::uint64_t value) {
  this->name(name);
  append_number(json_, value);
  return *this;
}

LogFields& LogFields::number(std::string_view name, double value) {
  this->name(name);
  append_number(json_, value);
  return *this;
}

// --- threads that log

bool Log::Source::take(LogEvent event, std::int64_t now_ns) noexcept {
  const auto kind = static_cast<std::size_t>(event);
  Rate& rate = rates_[kind];
  const std::int64_t second = now_ns / ns_per_second;
  if (rate.second != second) rate = {second, 0};
  if (rate.taken == kinds[kind].per_second) {
    suppressed_[kind].add();
    return false;
  }
  ++rate.taken;
  return true;
}

void Log::Source::put(LogEvent event, std::int64_t now_ns) noexcept {
  if (!ring_.push(now_ns, static_cast<std::uint8_t>(event), json_)) {
    dropped_.add();
  } else if (log_.asleep_.load()) {
    log_.wake();
  }
}

Log::Source& Log::open_source() {
  const std::scoped_lock lock(mutex_);
  return sources_.emplace_back(*this);
}

LogStats Log::stats() const {
  LogStats stats;
  stats.lines = lines_.get();
  stats.dropped = lost_.get();
  for (const Source* source : sources()) {
    stats.dropped += source->dropped_.get();
    for (const base::Tally& suppressed : source->suppressed_) stats.suppressed += suppressed.get();
  }
  return stats;
}

std::vector<Log::Source*> Log::sources() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Source*> sources;
  sources.reserve(sources_.size());
  for (Source& source : sources_) sources.push_back(&source);
  return sources;
}

// --- the thread that writes

Log::Log(Options options)
    : options_(std::move(options)), waker_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (waker_ < 0) {
    throw base::RunError("out of file descriptors: raise the limit on open files (ulimit -n)");
  }
  if (!options_.unix_ns) options_.unix_ns = system_ns;
  thread_ = start_without_signals([this] { run(); });
}

Log::~Log() {
  stopping_.store(true);
  wake();
  thread_.join();
  ::close(waker_);
}

void Log::wake() noexcept {
  if (!asleep_.exchange(false)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(waker_, &one, sizeof one);
}

void Log::run() {
  while (true) {
    const bool last = stopping_.load();  // before looking: what was logged by then is written
    const base::TimePoint now = base::now();
    if (drain()) busy_ = now;
    if (last || now - reported_ >= report_interval) {
      reported_ = now;
      report();
    }
    flush();
    if (last) return;
    wait();
  }
}

bool Log::drain() {
  const std::size_t size_before = out_.size();
  for (Source* source : sources()) {
    LogRing::Head head{};
    for (int i = 0; i < lines_at_once && source->ring_.pop(head, record_); ++i) {
      const Kind& kind = kinds[head.event];
      append_line(head.unix_ns, kind.level, kind.name, record_);
    }
  }
  return out_.size() > size_before;
}

void Log::report() {
  std::array<std::uint64_t, log_events> suppressed{};
  std::uint64_t dropped = lost_.get();
  for (const Source* source : sources()) {
    dropped += source->dropped_.get();
    for (std::size_t i = 0; i < log_events; ++i) suppressed[i] += source->suppressed_[i].get();
  }
  for (std::size_t i = 0; i < log_events; ++i) {
    report("suppressed", kinds[i].name, suppressed[i], suppressed_reported_[i]);
  }
  report("dropped", {}, dropped, dropped_reported_);
}

void Log::report(std::string_view event, std::string_view of, std::uint64_t count,
                 std::uint64_t& reported) {
  if (count == reported) return;
  record_.clear();
  LogFields fields(record_);
  if (!of.empty()) fields.text("of", of);
  fields.number("count", count - std::exchange(reported, count));
  append_line(options_.unix_ns(), "warning", event, record_);
}

void Log::append_line(std::int64_t unix_ns, std::string_view level, std::string_view event,
                      std::string_view members) {
  out_ += R"({"ts": ")";
  append_time(out_, unix_ns);
  out_.append(R"(", "level": ")").append(level);
  out_.append(R"(", "event": ")").append(event).append("\"");
  out_.append(members).append("}\n");
}

/// Waits for the log's reader, except at the end, when its patience is bounded.
void Log::flush() {
  std::optional<base::TimePoint> give_up;
  std::string_view left = out_;
  while (!left.empty()) {
    if (stopping_.load() && !give_up) give_up = base::now() + last_patience;
    pollfd out{options_.descriptor, POLLOUT, 0};
    if (::poll(&out, 1, 100) <= 0) {
      if (give_up && base::now() >= *give_up) break;
      continue;
    }
    // No more than a pipe that is ready takes without blocking.
    const std::string_view lines = first_lines(left);
    const ssize_t written = ::write(options_.descriptor, lines.data(), lines.size());
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written < 0) break;
    lines_.add(lines_in(left.substr(0, static_cast<std::size_t>(written))));
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  lost_.add(lines_in(left));
  out_.clear();
}

bool Log::anything() const {
  const auto all = sources();
  return std::any_of(all.begin(), all.end(),
                     [](const Source* source) { return !source->ring_.empty(); });
}

void Log::wait() {
  const bool expects_more = base::now() - busy_ < busy_time;
  asleep_.store(true);
  if (!anything() && !stopping_.load()) {
    pollfd waker{waker_, POLLIN, 0};
    ::poll(&waker, 1, expects_more ? 1000 : -1);
  }
  asleep_.store(false);
  std::uint64_t wakes = 0;
  [[maybe_unused]] const auto got = ::read(waker_, &wakes, sizeof wakes);
  if (!stopping_.load()) std::this_thread::sleep_for(gathering_time);
}

}  // namespace loadcore::counter
