// Random plans against a target that does everything wrong: whatever happens, every request is in
// exactly one count, and the counts are those that the target and the network saw.

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "load/schedule.hpp"
#include "load/worker.hpp"
#include "loadcore/histogram/encoding.hpp"
#include "seeds.hpp"
#include "simulated_run.hpp"

using namespace loadcore;
using namespace loadcore::load;
using namespace loadcore::load::simulated;
using base::Duration;
using base::TimePoint;
using histogram::Histogram;
using namespace std::chrono_literals;

namespace {

struct Case {
  Plan plan;
  Behaviour behaviour;
  Settings settings;
};

class CaseMaker {
 public:
  explicit CaseMaker(std::uint64_t seed) : random_(seed) { made_.settings.seed = seed; }

  Case make() {
    make_plan();
    make_behaviour();
    make_settings();
    return std::move(made_);
  }

 private:
  std::int64_t any(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
  }
  bool one_in(std::int64_t count) { return any(1, count) == 1; }
  Duration span(Duration least, Duration most) {
    return Duration(any(least.count(), most.count()));
  }
  double share() { return static_cast<double>(any(1, 300)) / 1000; }
  std::vector<Window> windows(std::int64_t most) {
    std::vector<Window> made;
    for (auto left = any(1, most); left > 0; --left) {
      const Duration from = one_in(6) ? 0s : span(0s, 3s);
      made.push_back({from, from + span(1ms, 1s)});
    }
    return made;
  }

  void make_plan() {
    Plan& plan = made_.plan = simulated::make_plan();
    plan.threads = static_cast<std::uint32_t>(any(1, 4));
    plan.connections = static_cast<std::uint32_t>(any(plan.threads, 24));
    if (one_in(2)) {
      plan.rate_rps = static_cast<double>(any(1'000, 2'000'000)) / 999;
      if (one_in(3)) plan.drop_after = span(0ns, 50ms);
    } else if (one_in(3)) {
      plan.think_time = span(1ns, 100ms);
    }
    if (one_in(2)) {
      plan.requests = static_cast<std::uint64_t>(any(1, 2'000));
    } else {
      plan.duration = span(1ns, 3s);
    }
    if (one_in(3)) plan.warmup = span(1ns, 1s);
    plan.timeout = span(1ms, 500ms);
    plan.connect_timeout = span(1ms, 300ms);
    plan.interval = span(1ms, 1s);
  }

  void make_behaviour() {
    Behaviour& behaviour = made_.behaviour;
    behaviour.connect_time = span(1ns, 1ms);
    const Duration longest = span(1us, 20ms);
    behaviour.service_time = [random = random_, longest](auto, auto) mutable {
      return Duration(std::uniform_int_distribution<std::int64_t>(1, longest.count())(random));
    };
    if (one_in(3)) behaviour.concurrency = static_cast<std::uint32_t>(any(1, 8));
    if (one_in(3)) behaviour.stalls = windows(2);
    if (one_in(3)) behaviour.refusing = windows(3);
    if (one_in(4)) behaviour.silent = windows(2);
    if (one_in(4)) behaviour.close_after = static_cast<std::uint32_t>(any(1, 20));
    behaviour.announce_close = one_in(2);
    if (one_in(5)) behaviour.close_at_once = one_in(4) ? 1 : share();
    if (one_in(5)) behaviour.idle_timeout = span(1us, 20ms);
    if (one_in(4)) behaviour.no_answer = share();
    if (one_in(4)) behaviour.reset = share();
    if (one_in(4)) behaviour.malformed = share();
    if (one_in(4)) behaviour.status_500 = share();
  }

  void make_settings() {
    Settings& settings = made_.settings;
    if (one_in(3)) settings.interference.alarm_late_max = span(1ns, 2ms);
    if (one_in(3)) settings.interference.send_work = span(1ns, 200us);
    for (auto left = one_in(3) ? any(1, 2) : 0; left > 0; --left) {
      Stop stop{span(0ns, 3s), std::nullopt};
      if (one_in(2)) stop.drain = span(0ns, 300ms);
      settings.stops.push_back(stop);
    }
  }

  std::mt19937_64 random_;
  Case made_;
};

Counts all_requests(const Result& result) {
  Counts sum = result.report.counts;
  sum += result.report.warmup_counts;
  return sum;
}

bool stopped(const Result& result) {
  return std::any_of(result.workers.begin(), result.workers.end(),
                     [](const WorkerResult& worker) { return worker.stopped_early; });
}

void check_against_target(const Case& one, const Result& result) {
  const Counts counts = all_requests(result);
  const Seen& seen = result.seen;
  BOOST_TEST(counts.sent - counts.connect == seen.requests);
  BOOST_TEST(counts.completed == seen.completed);
  BOOST_TEST(counts.status == seen.status_500);
  BOOST_TEST(counts.timeout == seen.timeout + seen.abandoned);
  BOOST_TEST(counts.reset == seen.reset);
  BOOST_TEST(counts.protocol == seen.malformed);
  BOOST_TEST(counts.connect <= seen.connect_failed + one.plan.connections);
  BOOST_TEST(result.report.connects == seen.connected);
  if (one.plan.warmup == Duration(0)) {
    BOOST_TEST(result.report.bytes_received == seen.bytes_to_client);
    BOOST_TEST(result.report.bytes_sent == seen.requests * result.request_bytes);
  }
}

void check_scheduled(const Case& one, const Result& result) {
  const Plan& plan = one.plan;
  if (!result.started) {
    BOOST_TEST((all_requests(result) == Counts{}));
    return;
  }
  if (!plan.open_loop()) {
    if (plan.requests && !stopped(result)) BOOST_TEST(result.report.counts.sent == *plan.requests);
    if (plan.requests) BOOST_TEST(result.report.counts.sent <= *plan.requests);
    return;
  }
  const Schedule schedule(*plan.rate_rps);
  const std::uint64_t first = schedule.count_before(plan.warmup);
  const std::uint64_t end =
      plan.requests ? first + *plan.requests : schedule.count_before(plan.warmup + *plan.duration);
  if (!stopped(result)) {
    BOOST_TEST(result.report.warmup_counts.scheduled == first);
    BOOST_TEST(result.report.counts.scheduled == end - first);
    return;
  }
  // Each thread's part up to the moment in which it stopped, and no further.
  std::uint64_t warmup = 0;
  std::uint64_t measured = 0;
  for (std::uint32_t thread = 0; thread < plan.threads; ++thread) {
    const TimePoint until = result.workers[thread].sending_ended;
    for (std::uint64_t index = thread; index < end; index += plan.threads) {
      if (result.start + schedule.intended(index) > until) break;
      ++(index < first ? warmup : measured);
    }
  }
  BOOST_TEST(result.report.warmup_counts.scheduled == warmup);
  BOOST_TEST(result.report.counts.scheduled == measured);
}

void check_never_early(const Case& one, const Result& result) {
  if (!one.plan.open_loop()) return;
  const Schedule schedule(*one.plan.rate_rps);
  for (std::uint32_t thread = 0; thread < one.plan.threads; ++thread) {
    std::uint64_t index = thread;
    for (const TimePoint at : result.workers[thread].sends) {
      BOOST_TEST_REQUIRE((at >= result.start + schedule.intended(index)));
      index += one.plan.threads;
    }
  }
}

void check_histograms(const Case& one, const Result& result) {
  const Report& report = result.report;
  BOOST_TEST(report.service.count() == report.counts.completed);
  BOOST_TEST(report.latency.count() == report.counts.completed);
  std::uint64_t by_status = 0;
  for (const auto& [status, count] : report.status_codes) by_status += count;
  BOOST_TEST(by_status == report.counts.completed);
  if (!one.plan.open_loop()) {
    BOOST_TEST((report.latency == report.service));
    BOOST_TEST(report.send_lag.empty());
    return;
  }
  const std::uint64_t written = report.counts.sent - report.counts.connect;
  BOOST_TEST(report.send_lag.count() == written);
  BOOST_TEST(report.generator_late.count() == written);
  BOOST_TEST(report.blocked.count() == written);
  const double parts = report.generator_late.mean() + report.blocked.mean();
  BOOST_TEST(std::abs(report.send_lag.mean() - parts) <= 0.001 * parts + 1);
}

void check_rows(const Result& result) {
  Report sum;
  Histogram latency;
  for (const WorkerResult& worker : result.workers) {
    Duration at{0};
    for (const IntervalRow& row : worker.rows) {
      BOOST_TEST((row.start == at));
      BOOST_TEST((row.length >= Duration(0)));
      at += row.length;
      sum.counts += row.counts;
      sum.bytes_sent += row.bytes_sent;
      sum.bytes_received += row.bytes_received;
      sum.service.merge(histogram::decode(row.service));
      if (!row.send_lag.empty()) sum.send_lag.merge(histogram::decode(row.send_lag));
    }
    if (!worker.rows.empty()) BOOST_TEST((worker.ended - result.start >= at));
  }
  BOOST_TEST((sum.counts == result.report.counts));
  BOOST_TEST(sum.bytes_sent == result.report.bytes_sent);
  BOOST_TEST(sum.bytes_received == result.report.bytes_received);
  BOOST_TEST((sum.service == result.report.service));
  BOOST_TEST((sum.send_lag == result.report.send_lag));
}

/// Nothing but outstanding answers keeps a run going once sending is over.
void check_end(const Case& one, const Result& result) {
  if (!result.started) return;
  const Plan& plan = one.plan;
  // All that may come late: an alarm, and the CPU of sending on every connection.
  const Duration slack = 2 * one.settings.interference.alarm_late_max +
                         2 * plan.connections * one.settings.interference.send_work;
  for (const WorkerResult& worker : result.workers) {
    BOOST_TEST((worker.ended >= worker.sending_ended));
    Duration wait = plan.timeout;
    if (!plan.open_loop() && plan.requests) wait += plan.connect_timeout;
    BOOST_TEST((worker.ended <= worker.sending_ended + wait + slack));
    for (const Stop& stop : one.settings.stops) {
      const TimePoint at = std::max(World::epoch + stop.at, result.start);
      if (stop.drain) BOOST_TEST((worker.ended <= at + *stop.drain + slack));
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(accounting)

BOOST_AUTO_TEST_CASE(holds_whatever_the_target_does) {
  Counts all;
  std::uint64_t abandoned = 0;
  std::uint64_t unreachable = 0;
  std::uint64_t ended_early = 0;
  for_each_seed(1, seeds, [&](std::uint64_t seed) {
    const Case one = CaseMaker(seed).make();
    const Result result = simulate(one.plan, one.behaviour, one.settings);
    BOOST_TEST(result.report.counts.balanced());
    BOOST_TEST(result.report.warmup_counts.balanced());
    check_against_target(one, result);
    check_scheduled(one, result);
    check_never_early(one, result);
    check_histograms(one, result);
    check_rows(result);
    check_end(one, result);
    all += all_requests(result);
    abandoned += result.seen.abandoned;
    unreachable += result.unreachable ? 1 : 0;
    ended_early += stopped(result) ? 1 : 0;
  });
  if (replaying()) return;
  // That the cases are worth something: everything that can happen has, and often.
  for (const std::uint64_t count : {all.dropped, all.unsent, all.connect, all.timeout, all.reset,
                                    all.protocol, all.status, abandoned}) {
    BOOST_TEST(count > seeds / 20);
  }
  BOOST_TEST(all.completed > 150 * seeds);
  BOOST_TEST(unreachable > seeds / 200);
  BOOST_TEST(ended_early > seeds / 20);
}

BOOST_AUTO_TEST_CASE(a_seed_says_everything) {
  for_each_seed(1, 10, [](std::uint64_t seed) {
    const Case one = CaseMaker(seed).make();
    const Result first = simulate(one.plan, one.behaviour, one.settings);
    const Case again = CaseMaker(seed).make();
    const Result second = simulate(again.plan, again.behaviour, again.settings);
    BOOST_TEST((first.report.counts == second.report.counts));
    BOOST_TEST((first.report.latency == second.report.latency));
    BOOST_TEST((first.ended == second.ended));
  });
}

BOOST_AUTO_TEST_SUITE_END()
