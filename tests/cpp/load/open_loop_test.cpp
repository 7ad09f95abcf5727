#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdint>
#include <random>

#include "load/schedule.hpp"
#include "reference.hpp"
#include "seeds.hpp"
#include "simulated_run.hpp"

using namespace loadcore;
using namespace loadcore::load;
using namespace loadcore::load::simulated;
using base::Duration;
using base::TimePoint;
using namespace std::chrono_literals;

namespace {

/// A number that follows from its arguments alone, evenly spread.
std::uint64_t mixed(std::uint64_t seed, std::uint64_t a, std::uint64_t b) {
  std::uint64_t bits = seed * 0x9e3779b97f4a7c15 + a * 0xbf58476d1ce4e5b9 + b;
  for (int turn = 0; turn < 3; ++turn) {
    bits ^= bits >> 31;
    bits *= 0x94d049bb133111eb;
  }
  return bits ^ (bits >> 29);
}

/// Exponentially distributed around `mean`, never 0.
auto service_times(std::uint64_t seed, Duration mean) {
  return [seed, mean](std::uint32_t transport, std::uint64_t sequence) {
    const double even =
        (static_cast<double>(mixed(seed, transport, sequence) >> 11) + 0.5) * 0x1p-53;
    return Duration(1 +
                    static_cast<std::int64_t>(-std::log(even) * static_cast<double>(mean.count())));
  };
}

void check_within(std::int64_t value, double expected, double tolerance) {
  BOOST_TEST_CONTEXT(value << " against " << expected) {
    BOOST_TEST(std::abs(static_cast<double>(value) - expected) <= tolerance * expected);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(open_loop)

BOOST_AUTO_TEST_CASE(agrees_with_a_queue_worked_out_by_hand) {
  for_each_seed(1, seeds / 3, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto any = [&random](std::int64_t least, std::int64_t most) {
      return std::uniform_int_distribution<std::int64_t>(least, most)(random);
    };
    Plan plan = make_plan();
    plan.threads = static_cast<std::uint32_t>(any(1, 4));
    plan.connections = static_cast<std::uint32_t>(any(plan.threads, 20));
    plan.rate_rps = static_cast<double>(any(100, 300'000)) / 77;
    plan.duration = Duration(any(1, 2'000'000'000));
    if (any(0, 1) == 0) plan.warmup = Duration(any(1, 500'000'000));
    if (any(0, 2) == 0) plan.drop_after = Duration(any(0, 30'000'000));
    // From an idle target to one that takes twice the time there is.
    const double busy = static_cast<double>(any(1, 200)) / 100;
    Behaviour behaviour;
    behaviour.service_time = service_times(
        seed, Duration(static_cast<std::int64_t>(busy * 1e9 * plan.connections / *plan.rate_rps)));
    plan.timeout = 1h;

    const Result result =
        simulate(plan, behaviour, {.seed = seed, .interference = {}, .stops = {}});
    const Expected expected = work_out(plan, behaviour);
    BOOST_TEST((result.report.counts == expected.counts));
    BOOST_TEST((result.report.warmup_counts == expected.warmup_counts));
    BOOST_TEST((result.report.latency == expected.latency));
    BOOST_TEST((result.report.service == expected.service));
    BOOST_TEST((result.report.send_lag == expected.send_lag));
    BOOST_TEST((result.report.blocked == expected.blocked));
    BOOST_TEST((result.report.generator_late == expected.generator_late));
    for (const WorkerResult& worker : result.workers) {
      BOOST_TEST((worker.sending_ended == result.start + plan.warmup + *plan.duration));
    }
  });
}

BOOST_AUTO_TEST_CASE(nothing_hides_a_stall) {
  for (const std::uint32_t threads : {1U, 2U}) {
    Plan plan = make_plan();
    plan.rate_rps = 2000;
    plan.duration = 10s;
    plan.connections = 50;
    plan.threads = threads;
    Behaviour behaviour;
    behaviour.stalls = {{5s, 6s}};
    const Result result = simulate(plan, behaviour);
    const Counts& counts = result.report.counts;
    BOOST_TEST(counts.scheduled == 20'000U);
    BOOST_TEST(counts.completed == 20'000U);
    BOOST_TEST(result.report.latency.count() == 20'000U);
    check_within(result.report.latency.value_at_percentile(50), 100e3, 0.002);
    check_within(result.report.latency.value_at_percentile(95), 500e6, 0.005);
    check_within(result.report.latency.value_at_percentile(99), 900e6, 0.005);
    check_within(result.report.latency.value_at_percentile(99.9), 990e6, 0.005);
    // The wait was for connections, all of which were stuck, and not for us.
    BOOST_TEST(result.report.generator_late.max() == 0);
    check_within(result.report.blocked.max(), 975e6, 0.002);
    BOOST_TEST(result.report.service.count_between(200'000, Duration(2s).count()) == 50U);
  }
}

BOOST_AUTO_TEST_CASE(a_late_loop_is_told_from_a_busy_target) {
  Plan plan = make_plan();
  plan.rate_rps = 1000;
  plan.duration = 5s;
  plan.connections = 10;
  const Result result = simulate(
      plan, {},
      {.seed = 1, .interference = {.alarm_late_max = 400us, .send_work = 10us}, .stops = {}});
  BOOST_TEST(result.report.counts.completed == 5'000U);
  BOOST_TEST(result.report.blocked.max() == 0);
  BOOST_TEST((result.report.generator_late == result.report.send_lag));
  check_within(result.report.generator_late.value_at_percentile(50), 200e3, 0.05);
  BOOST_TEST(result.report.generator_late.max() <= 401'000);
}

BOOST_AUTO_TEST_CASE(a_loop_too_slow_for_its_rate_keeps_its_lateness) {
  Plan plan = make_plan();
  plan.rate_rps = 2000;  // 500 us apart, and each takes 1 ms of CPU
  plan.duration = 1s;
  plan.connections = 600;
  const Result result =
      simulate(plan, {},
               {.seed = 1, .interference = {.alarm_late_max = 0ns, .send_work = 1ms}, .stops = {}});
  const Counts& counts = result.report.counts;
  BOOST_TEST(counts.scheduled == 2'000U);
  BOOST_TEST(counts.sent < 1'700U);
  BOOST_TEST(counts.unsent == counts.scheduled - counts.sent);
  BOOST_TEST(result.report.send_lag.max() > Duration(400ms).count());
}

BOOST_AUTO_TEST_CASE(sent_at_the_schedule_and_never_before) {
  Plan plan = make_plan();
  plan.rate_rps = 1e6 / 7;
  plan.requests = 5'000;
  plan.connections = 300;
  plan.threads = 3;
  const Result result = simulate(plan, {});
  BOOST_TEST(result.report.counts.completed == 5'000U);
  const Schedule schedule(*plan.rate_rps);
  for (std::uint32_t thread = 0; thread < 3; ++thread) {
    std::uint64_t index = thread;
    for (const TimePoint at : result.workers[thread].sends) {
      BOOST_TEST_REQUIRE((at == result.start + schedule.intended(index)));
      index += 3;
    }
  }
}

BOOST_AUTO_TEST_CASE(the_first_request_does_not_wait_for_a_connection_while_another_is_free) {
  for_each_seed(1, 50, [](std::uint64_t seed) {
    Plan plan = make_plan();
    plan.rate_rps = 10;
    plan.duration = 50ms;
    plan.connections = 24;
    Behaviour behaviour;
    behaviour.close_at_once = 0.5;
    const Result result =
        simulate(plan, behaviour, {.seed = seed, .interference = {}, .stops = {}});
    BOOST_TEST((result.workers[0].sends.at(0) == result.start));
  });
}

BOOST_AUTO_TEST_CASE(a_target_that_is_away_shows_as_failed_requests) {
  Plan plan = make_plan();
  plan.rate_rps = 500;
  plan.duration = 10s;
  plan.connections = 8;
  Behaviour behaviour;
  behaviour.refusing = {{2s, 6s}};
  const Result result = simulate(plan, behaviour);
  const Counts& counts = result.report.counts;
  BOOST_TEST(counts.scheduled == 5'000U);
  BOOST_TEST(counts.balanced());
  // 8 connections that try about once a second at the end.
  BOOST_TEST(counts.connect >= 8U * 8U);
  BOOST_TEST(counts.connect <= 8U * 15U);
  BOOST_TEST(counts.unsent == 0U);
  BOOST_TEST(counts.completed == 5'000U - counts.connect - counts.reset);
  // After it is back nobody rests for longer than the longest back-off.
  BOOST_TEST(result.report.latency.max() <= Duration(5500ms).count());
}

BOOST_AUTO_TEST_CASE(rows_double_after_an_hour_of_seconds) {
  Plan plan = make_plan();
  plan.rate_rps = 1;
  plan.duration = 4000s;
  plan.connections = 2;
  const Result result = simulate(plan, {});
  const auto& rows = result.workers[0].rows;
  // 3,600 of a second and 200 of two, the last of which is extended.
  BOOST_TEST_REQUIRE(rows.size() == 3800U);
  BOOST_TEST((rows[3599].length == 1s));
  BOOST_TEST((rows[3600].start == 3600s));
  BOOST_TEST((rows[3600].length == 2s));
  BOOST_TEST(rows[3600].counts.scheduled == 2U);
  BOOST_TEST(rows[3600].counts.completed == 2U);
}

BOOST_AUTO_TEST_CASE(the_last_answers_are_in_the_last_row) {
  Plan plan = make_plan();
  plan.rate_rps = 100;
  plan.duration = 3s;
  plan.connections = 100;
  Behaviour behaviour;
  behaviour.service_time = [](std::uint32_t, std::uint64_t) { return 800'500us; };
  const Result result = simulate(plan, behaviour);
  const auto& rows = result.workers[0].rows;
  BOOST_TEST_REQUIRE(rows.size() == 3U);
  BOOST_TEST((rows[2].start == 2s));
  BOOST_TEST((rows[2].length == 1'790'500us));
  BOOST_TEST(rows[2].counts.scheduled == 100U);
  BOOST_TEST(rows[2].counts.completed == 180U);
}

BOOST_AUTO_TEST_SUITE_END()
