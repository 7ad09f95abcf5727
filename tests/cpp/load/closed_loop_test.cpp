#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <random>
#include <vector>

#include "load/back_off.hpp"
#include "seeds.hpp"
#include "simulated_run.hpp"

using namespace loadcore;
using namespace loadcore::load;
using namespace loadcore::load::simulated;
using base::Duration;
using base::TimePoint;
using namespace std::chrono_literals;

namespace {

auto always(Duration span) {
  return [span](std::uint32_t, std::uint64_t) { return span; };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(closed_loop)

BOOST_AUTO_TEST_CASE(a_count_is_kept_exactly) {
  for_each_seed(1, 100, [](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    Plan plan = make_plan();
    plan.threads = 1 + static_cast<std::uint32_t>(random() % 4);
    plan.connections = plan.threads + static_cast<std::uint32_t>(random() % 60);
    plan.requests = 1 + random() % 300;
    if (random() % 2 == 0) plan.think_time = 1ms;
    if (random() % 3 == 0) plan.warmup = 30ms;
    Behaviour behaviour;
    behaviour.service_time = [random](auto, auto) mutable {
      return Duration(1 + random() % 9'999'999);
    };
    const Result result =
        simulate(plan, behaviour, {.seed = seed, .interference = {}, .stops = {}});
    BOOST_TEST(result.report.counts.sent == *plan.requests);
    BOOST_TEST(result.report.counts.completed == *plan.requests);
    BOOST_TEST(result.seen.requests == *plan.requests + result.report.warmup_counts.completed);
  });
}

BOOST_AUTO_TEST_CASE(a_failed_attempt_is_one_of_the_count) {
  Plan plan = make_plan();
  plan.requests = 100;
  plan.connections = 5;
  plan.threads = 2;
  Behaviour behaviour;
  behaviour.service_time = always(10ms);
  behaviour.refusing = {{55ms, 10s}};
  const Result result = simulate(plan, behaviour);
  BOOST_TEST(result.report.counts.sent == 100U);
  BOOST_TEST(result.report.counts.reset == 5U);
  BOOST_TEST(result.report.counts.completed == 25U);
  BOOST_TEST(result.report.counts.connect == 70U);
  BOOST_TEST(result.report.counts.balanced());
}

BOOST_AUTO_TEST_CASE(each_connection_sends_its_next_after_answer_and_think_time) {
  Plan plan = make_plan();
  plan.duration = 1s;
  plan.connections = 4;
  plan.think_time = 15ms;
  Behaviour behaviour;
  behaviour.service_time = always(10ms);
  const Result result = simulate(plan, behaviour);
  BOOST_TEST(result.report.counts.sent == 4U * 40U);
  BOOST_TEST(result.report.counts.scheduled == 4U * 40U);
  for (std::size_t at = 0; at < result.workers[0].sends.size(); ++at) {
    BOOST_TEST_REQUIRE(
        (result.workers[0].sends[at] == result.start + static_cast<std::int64_t>(at / 4) * 25ms));
  }
  BOOST_TEST(result.report.latency.count_between(9'990'000, 10'010'000) == 160U);
}

BOOST_AUTO_TEST_CASE(warm_up_is_not_measured) {
  Plan plan = make_plan();
  plan.duration = 1s;
  plan.warmup = 500ms;
  plan.connections = 2;
  Behaviour behaviour;
  behaviour.service_time = always(10ms + 1ns);
  const Result result = simulate(plan, behaviour);
  BOOST_TEST(result.report.warmup_counts.sent == 2U * 50U);
  BOOST_TEST(result.report.warmup_counts.completed == 2U * 50U);
  BOOST_TEST(result.report.counts.sent == 2U * 100U);
  BOOST_TEST(result.report.service.count() == 200U);
}

BOOST_AUTO_TEST_CASE(those_who_think_are_woken_when_the_last_request_is_taken) {
  Plan plan = make_plan();
  plan.requests = 17;
  plan.connections = 4;
  plan.threads = 4;
  plan.think_time = 1h;
  Behaviour behaviour;
  behaviour.service_time = [](std::uint32_t transport, std::uint64_t) {
    return transport == 0 ? Duration(1ms) : Duration(2ms);
  };
  // Four rounds an hour apart, then the fast one takes the last: the others would think for 4 ms
  // more before they notice.
  const Result result = simulate(plan, behaviour);
  BOOST_TEST(result.report.counts.completed == 17U);
  for (std::size_t worker = 1; worker < 4; ++worker) {
    BOOST_TEST((result.workers[worker].ended == result.start + 4h + 4ms));
  }
}

BOOST_AUTO_TEST_CASE(a_stop_leaves_what_is_outstanding_its_time) {
  Plan plan = make_plan();
  plan.duration = 1h;
  plan.connections = 3;
  plan.timeout = 10s;
  Behaviour behaviour;
  behaviour.service_time = always(4s);
  const Result result =
      simulate(plan, behaviour, {.seed = 1, .interference = {}, .stops = {{9s, std::nullopt}}});
  BOOST_TEST(result.report.counts.sent == 9U);
  BOOST_TEST(result.report.counts.completed == 9U);
  BOOST_TEST(result.workers[0].stopped_early);
  BOOST_TEST((result.ended == result.start + 12s));
}

BOOST_AUTO_TEST_CASE(a_stop_with_a_bound_gives_up_then) {
  Plan plan = make_plan();
  plan.duration = 1h;
  plan.connections = 3;
  Behaviour behaviour;
  behaviour.service_time = always(4s);
  for (const auto& stops : std::vector<std::vector<Stop>>{
           {{9s, 500ms}},
           {{9s, std::nullopt}, {9'100ms, 400ms}},  // the second one is less patient
           {{9s, 500ms}, {9'100ms, 1h}},            // and here the first one was
       }) {
    const Result result =
        simulate(plan, behaviour, {.seed = 1, .interference = {}, .stops = stops});
    BOOST_TEST(result.report.counts.completed == 6U);
    BOOST_TEST(result.report.counts.timeout == 3U);
    BOOST_TEST(result.seen.abandoned == 3U);
    BOOST_TEST((result.ended == World::epoch + 9'500ms));
  }
}

BOOST_AUTO_TEST_CASE(a_request_given_up_while_it_waits_for_its_connection_is_counted) {
  // The last of the count are taken, and their connections are not there yet when the run is told
  // to give up: sending was over, so the count is still what the plan says.
  Plan plan = make_plan();
  plan.requests = 8;
  plan.connections = 4;
  plan.connect_timeout = 10s;
  Behaviour behaviour;
  behaviour.service_time = always(10ms);
  behaviour.close_after = 1;
  behaviour.silent = {{11'100us, 1h}};
  const Result result =
      simulate(plan, behaviour, {.seed = 1, .interference = {}, .stops = {{2s, 0ns}}});
  BOOST_TEST(!result.workers[0].stopped_early);
  BOOST_TEST(result.report.counts.sent == 8U);
  BOOST_TEST(result.report.counts.completed == 4U);
  BOOST_TEST(result.report.counts.connect == 4U);
  BOOST_TEST((result.ended == World::epoch + 2s));
}

BOOST_AUTO_TEST_CASE(a_connection_closed_while_it_thinks_costs_nothing) {
  Plan plan = make_plan();
  plan.requests = 50;
  plan.connections = 5;
  plan.think_time = 20ms;
  Behaviour behaviour;
  behaviour.idle_timeout = 10ms;
  const Result result = simulate(plan, behaviour);
  BOOST_TEST(result.report.counts.completed == 50U);
  BOOST_TEST(result.report.connects == 50U);
}

BOOST_AUTO_TEST_CASE(unreachable_from_the_start) {
  for (const std::uint32_t threads : {1U, 3U}) {
    Plan plan = make_plan();
    plan.duration = 10s;
    plan.connections = 6;
    plan.threads = threads;
    Behaviour behaviour;
    behaviour.refusing = {{0s, 1h}};
    const Result result = simulate(plan, behaviour);
    BOOST_TEST(result.unreachable);
    BOOST_TEST(!result.started);
    BOOST_TEST(result.seen.connect_failed == 6U);
    BOOST_TEST((result.report.counts == Counts{}));
    BOOST_TEST((result.ended <= World::epoch + 1ms));
  }
}

BOOST_AUTO_TEST_CASE(a_silent_target_is_unreachable_after_the_connect_timeout) {
  Plan plan = make_plan();
  plan.duration = 10s;
  plan.connections = 6;
  plan.connect_timeout = 700ms;
  Behaviour behaviour;
  behaviour.silent = {{0s, 1h}};
  const Result result = simulate(plan, behaviour);
  BOOST_TEST(result.unreachable);
  BOOST_TEST((result.ended == World::epoch + 700ms));
}

BOOST_AUTO_TEST_CASE(stopped_before_it_has_begun) {
  Plan plan = make_plan();
  plan.duration = 10s;
  plan.threads = 2;
  Behaviour behaviour;
  behaviour.connect_time = 1s;
  const Result result =
      simulate(plan, behaviour, {.seed = 1, .interference = {}, .stops = {{100ms, 1s}}});
  BOOST_TEST(!result.started);
  BOOST_TEST(result.workers[0].stopped_early);
  BOOST_TEST(result.workers[1].stopped_early);
  BOOST_TEST(result.seen.requests == 0U);
  BOOST_TEST((result.ended == World::epoch + 100ms));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(backing_off)

BOOST_AUTO_TEST_CASE(longer_each_time_up_to_a_bound) {
  std::minstd_rand random(1);
  BOOST_TEST((back_off(0, random) == 0ns));
  BOOST_TEST((back_off(1, random) == 0ns));
  for (std::uint32_t failures = 2; failures < 100; ++failures) {
    const Duration middle = failures < 9 ? 10ms * (1 << (failures - 2)) : Duration(1s);
    for (int turn = 0; turn < 100; ++turn) {
      const Duration rest = back_off(failures, random);
      BOOST_TEST_REQUIRE((rest >= middle * 3 / 4));
      BOOST_TEST_REQUIRE((rest <= middle * 5 / 4));
    }
  }
  BOOST_TEST((back_off(UINT32_MAX, random) <= 1'250ms));
}

BOOST_AUTO_TEST_CASE(attempts_on_a_target_that_is_away) {
  Plan plan = make_plan();
  plan.duration = 60s;
  plan.connections = 1;
  Behaviour behaviour;
  behaviour.service_time = always(1ms);
  behaviour.refusing = {{1s, 50s}};
  const Result result = simulate(plan, behaviour);
  const std::vector<TimePoint>& attempts = result.workers[0].attempts;
  BOOST_TEST_REQUIRE(attempts.size() > 10U);
  for (std::size_t at = 9; at + 1 < attempts.size(); ++at) {
    BOOST_TEST((attempts[at + 1] - attempts[at] > 700ms));
    BOOST_TEST((attempts[at + 1] - attempts[at] < 1'300ms));
  }
  BOOST_TEST(result.report.counts.connect == attempts.size() - 2);
  // Back within the longest rest.
  BOOST_TEST(result.report.counts.completed > 9'500U);
}

BOOST_AUTO_TEST_CASE(an_answer_ends_it) {
  Plan plan = make_plan();
  plan.duration = 20s;
  plan.connections = 1;
  Behaviour behaviour;
  behaviour.service_time = always(100ms);
  behaviour.refusing = {{1s, 8s}, {12s, 12'001ms}};
  const Result result = simulate(plan, behaviour);
  const std::vector<TimePoint>& attempts = result.workers[0].attempts;
  // The second time it is away for a millisecond, and so is the connection.
  const auto second = std::find_if(attempts.begin(), attempts.end(),
                                   [](TimePoint at) { return at >= World::epoch + 12s; });
  BOOST_TEST_REQUIRE((attempts.end() - second == 2));
  BOOST_TEST((second[0] < World::epoch + 12s + 1ms));
  BOOST_TEST((second[1] < World::epoch + 12s + 15ms));
}

BOOST_AUTO_TEST_CASE(a_target_that_closes_at_once_is_not_hammered) {
  for (const bool open_loop : {false, true}) {
    Plan plan = make_plan();
    plan.duration = 30s;
    plan.connections = 2;
    if (open_loop) plan.rate_rps = 100;
    Behaviour behaviour;
    behaviour.close_at_once = 1;
    behaviour.service_time = always(1s);
    const Result result = simulate(plan, behaviour);
    BOOST_TEST(result.report.counts.completed == 0U);
    BOOST_TEST(result.workers[0].attempts.size() >= 2U * 30U);
    BOOST_TEST(result.workers[0].attempts.size() <= 2U * 50U);
    BOOST_TEST(result.report.counts.balanced());
  }
}

BOOST_AUTO_TEST_SUITE_END()
