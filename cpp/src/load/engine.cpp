#include "loadcore/load/engine.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "load/run_control.hpp"
#include "load/verdict.hpp"
#include "load/worker.hpp"
#include "loadcore/base/assert.hpp"
#include "loadcore/base/error.hpp"
#include "loadcore/histogram/encoding.hpp"
#include "loadcore/http/request.hpp"
#include "loadcore/http/url.hpp"

namespace loadcore::load {
namespace {

using base::Duration;
using base::TimePoint;
using histogram::Histogram;

/// No wait is longer, so that an instant and a caller's span always have a sum.
constexpr Duration wait_max = std::chrono::hours(24 * 366 * 100);

/// The host's signals are for its own threads: Python's handlers run on the main one.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

std::string merged(const std::vector<const std::string*>& encoded) {
  if (encoded.size() == 1) return *encoded.front();
  Histogram sum;
  for (const std::string* one : encoded) sum.merge(histogram::decode(*one));
  return histogram::encode(sum);
}

/// The rows numbered `row` of all threads as one.
IntervalRow merged_row(const std::vector<const std::vector<IntervalRow>*>& threads, std::size_t row,
                       bool open_loop) {
  IntervalRow sum;
  std::vector<const std::string*> latency;
  std::vector<const std::string*> service;
  std::vector<const std::string*> send_lag;
  for (const auto* rows : threads) {
    if (row >= rows->size()) continue;
    const IntervalRow& one = (*rows)[row];
    sum.start = one.start;
    sum.length = std::max(sum.length, one.length);
    sum.counts += one.counts;
    sum.bytes_sent += one.bytes_sent;
    sum.bytes_received += one.bytes_received;
    service.push_back(&one.service);
    latency.push_back(open_loop ? &one.latency : &one.service);
    send_lag.push_back(&one.send_lag);
  }
  sum.latency = merged(latency);
  sum.service = merged(service);
  if (open_loop) sum.send_lag = merged(send_lag);
  return sum;
}

}  // namespace

class Engine::Run {
 public:
  Run(Plan plan, const TransportFactory& make_transport)
      : plan_(checked(std::move(plan))),
        setup_(make_setup(plan_)),
        control_(plan_.threads,
                 plan_.open_loop() ? RunControl::unbounded
                                   : plan_.requests.value_or(RunControl::unbounded),
                 [this] {
                   for (auto& worker : workers_) worker->wake();
                 }) {
    for (std::uint32_t index = 0; index < plan_.threads; ++index) {
      workers_.push_back(std::make_unique<Worker>(setup_, index, control_, make_transport));
    }
  }

  ~Run() {
    stop(Duration(0));
    for (std::thread& thread : threads_) thread.join();
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void start() {
    LOADCORE_ASSERT(threads_.empty());
    asked_for_ = base::now();
    const SignalsBlocked inherited_by_the_threads;
    try {
      for (auto& worker : workers_) {
        threads_.emplace_back([this, &worker] {
          ::pthread_setname_np(::pthread_self(), "loadcore-load");
          worker->run();
          const std::scoped_lock lock(mutex_);
          ++ended_;
          over_.notify_all();
        });
      }
    } catch (const std::system_error&) {
      stop(Duration(0));
      throw base::RunError("the system has no thread left: use fewer threads");
    }
  }

  void stop(std::optional<Duration> drain) noexcept {
    control_.stop(drain ? base::now() + std::min(*drain, wait_max) : TimePoint::max());
  }

  bool wait_for(Duration timeout) {
    std::unique_lock lock(mutex_);
    return over_.wait_for(lock, std::min(timeout, wait_max),
                          [this] { return ended_ == plan_.threads; });
  }

  Progress progress() const {
    Progress progress;
    progress.phase = phase();
    if (control_.has_started()) {
      const TimePoint until = over() ? last_ended() : base::now();
      progress.elapsed = std::max(until - measured_start(), Duration(0));
    }
    if (const Duration length = sending_length(plan_); length != Duration::max()) {
      progress.remaining = std::max(length - progress.elapsed, Duration(0));
    }
    add_last_whole_interval(progress);
    return progress;
  }

  Report report() const {
    LOADCORE_ASSERT(over());
    Report report;
    report.outcome = outcome();
    if (report.outcome == Outcome::unreachable) report.reason = control_.connect_failure();
    // A run that was over before anything could start began, and ended, when it was asked for.
    const auto started =
        (control_.has_started() ? measured_start() : asked_for_).time_since_epoch();
    report.started_unix_ns = (std::chrono::system_clock::now().time_since_epoch() -
                              base::now().time_since_epoch() + started)
                                 .count();
    TimePoint sending_ended{};
    std::vector<const std::vector<IntervalRow>*> rows;
    for (const auto& worker : workers_) {
      worker->recorder().add_to(report);
      report.threads.push_back(worker->report());
      sending_ended = std::max(sending_ended, worker->sending_ended());
      worker->recorder().read([&](const Recorder::Published& seen) { rows.push_back(&seen.rows); });
    }
    if (control_.has_started()) {
      report.duration = std::max(sending_ended - measured_start(), Duration(0));
      report.elapsed = std::max(last_ended() - measured_start(), Duration(0));
    }
    std::size_t row_count = 0;
    for (const auto* one : rows) row_count = std::max(row_count, one->size());
    for (std::size_t row = 0; row < row_count; ++row) {
      report.intervals.push_back(merged_row(rows, row, plan_.open_loop()));
    }
    LOADCORE_ASSERT(report.counts.balanced());
    LOADCORE_ASSERT(report.warmup_counts.balanced());
    report.verdict = judge(plan_, report);
    return report;
  }

 private:
  static Plan checked(Plan plan) {
    validate(plan);
    return plan;
  }

  static WorkerSetup make_setup(const Plan& plan) {
    http::Url url = http::parse_url(plan.url);
    std::string request = http::serialize({plan.method, url, plan.headers, plan.body});
    return {plan, std::move(url), std::move(request)};
  }

  bool over() const {
    const std::scoped_lock lock(mutex_);
    return ended_ == plan_.threads;
  }

  /// Meaningful once the run has started.
  TimePoint measured_start() const { return control_.started() + plan_.warmup; }

  /// Of a run that is over.
  TimePoint last_ended() const {
    TimePoint last{};
    for (const auto& worker : workers_) last = std::max(last, worker->ended());
    return last;
  }

  Outcome outcome() const {
    if (control_.unreachable()) return Outcome::unreachable;
    // A stop that came when sending was already over has stopped nothing.
    return std::any_of(workers_.begin(), workers_.end(),
                       [](const auto& worker) { return worker->stopped_early(); })
               ? Outcome::stopped
               : Outcome::completed;
  }

  Phase phase() const {
    if (over()) return Phase::done;
    if (!control_.has_started()) return Phase::connecting;
    if (control_.stopping()) return Phase::draining;
    const Duration since = base::now() - measured_start();
    if (since < Duration(0)) return Phase::warmup;
    return since < sending_length(plan_) ? Phase::running : Phase::draining;
  }

  void add_last_whole_interval(Progress& progress) const {
    std::size_t whole = SIZE_MAX;
    for (const auto& worker : workers_) {
      worker->recorder().read([&](const Recorder::Published& seen) {
        whole = std::min(whole, seen.rows.size());
        progress.counts += seen.counts;
      });
    }
    if (whole == 0) return;
    std::uint64_t completed = 0;
    Duration length{0};
    Histogram latency;
    for (const auto& worker : workers_) {
      worker->recorder().read([&](const Recorder::Published& seen) {
        const IntervalRow& row = seen.rows[whole - 1];
        completed += row.counts.completed;
        length = std::max(length, row.length);
        latency.merge(histogram::decode(plan_.open_loop() ? row.latency : row.service));
      });
    }
    if (length > Duration(0)) {
      progress.rate_rps = static_cast<double>(completed) / base::seconds(length);
    }
    progress.p50 = Duration(latency.value_at_percentile(50));
    progress.p99 = Duration(latency.value_at_percentile(99));
  }

  const Plan plan_;
  const WorkerSetup setup_;
  RunControl control_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
  TimePoint asked_for_{};
  mutable std::mutex mutex_;
  std::condition_variable over_;
  std::uint32_t ended_ = 0;
};

Engine::Engine(Plan plan, TransportFactory make_transport)
    : run_(std::make_unique<Run>(std::move(plan), make_transport)) {}
Engine::~Engine() = default;

void Engine::start() { run_->start(); }
void Engine::stop(std::optional<Duration> drain) noexcept { run_->stop(drain); }
bool Engine::wait_for(Duration timeout) { return run_->wait_for(timeout); }
Progress Engine::progress() const { return run_->progress(); }
Report Engine::report() const { return run_->report(); }

}  // namespace loadcore::load
