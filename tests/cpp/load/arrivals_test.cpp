#include "load/arrivals.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <optional>
#include <set>
#include <type_traits>
#include <vector>

using loadcore::base::Duration;
using loadcore::base::TimePoint;
using loadcore::load::Arrivals;
using loadcore::load::Counts;
using loadcore::load::Recorder;
using loadcore::load::Report;
using loadcore::load::Schedule;
using loadcore::load::Timeline;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint origin{1h};

/// The parts of one thread, at 1,000 requests a second.
struct Thread {
  Thread(Arrivals::Share share, std::uint64_t first_measured, std::uint64_t end,
         std::optional<Duration> drop_after = std::nullopt)
      : arrivals(Schedule(1000), share, first_measured, end, drop_after),
        recorder(true, Timeline(1s, Duration::max()), 10) {
    arrivals.begin(origin);
  }

  std::optional<Duration> take(Duration at) {
    const auto start = arrivals.take(origin + at, recorder);
    if (!start) return std::nullopt;
    return start->intended - origin;
  }

  void finish(Duration at) {
    arrivals.finish(origin + at, recorder);
    recorder.close_row(at + 1h);
    recorder.add_to(report);
  }

  Arrivals arrivals;
  Recorder recorder;
  Report report;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(arrivals)

BOOST_AUTO_TEST_CASE(not_before_it_is_due) {
  Thread thread({0, 1}, 0, 3);
  BOOST_TEST((thread.arrivals.next_due() == origin));
  BOOST_TEST(!thread.take(-1ns));
  BOOST_TEST((thread.take(0ns) == 0ns));
  BOOST_TEST((thread.arrivals.next_due() == origin + 1ms));
  BOOST_TEST(!thread.take(1ms - 1ns));
  BOOST_TEST((thread.take(5ms) == 1ms));
  BOOST_TEST((thread.take(5ms) == 2ms));
  BOOST_TEST(!thread.take(5ms));
  BOOST_TEST((thread.arrivals.next_due() == TimePoint::max()));
}

BOOST_AUTO_TEST_CASE(threads_share_the_schedule_without_gap_or_overlap) {
  for (const std::uint32_t threads : {1U, 2U, 3U, 7U, 64U}) {
    std::multiset<Duration> taken;
    std::uint64_t scheduled = 0;
    for (std::uint32_t number = 0; number < threads; ++number) {
      Thread thread({number, threads}, 100, 1000);
      while (const auto intended = thread.take(1h)) taken.insert(*intended);
      thread.finish(1h);
      scheduled += thread.report.counts.scheduled + thread.report.warmup_counts.scheduled;
    }
    BOOST_TEST(taken.size() == 1000U);
    BOOST_TEST(scheduled == 1000U);
    std::int64_t index = 0;
    for (const Duration intended : taken) BOOST_TEST_REQUIRE((intended == index++ * 1ms));
  }
}

BOOST_AUTO_TEST_CASE(warm_up_is_what_was_meant_to_start_in_it) {
  Thread thread({0, 1}, 2, 4);
  std::vector<bool> measured;
  while (const auto start = thread.arrivals.take(origin + 1h, thread.recorder)) {
    measured.push_back(start->measured);
  }
  BOOST_TEST((measured == std::vector{false, false, true, true}));
}

BOOST_AUTO_TEST_CASE(dropped_when_later_than_the_plan_allows) {
  Thread thread({0, 1}, 0, 10, 2ms);
  BOOST_TEST((thread.take(2ms) == 0ms));        // exactly as late as allowed
  BOOST_TEST((thread.take(3ms + 1ns) == 2ms));  // the one of 1 ms is given up
  thread.finish(3ms + 1ns);                     // the one of 3 ms is not too late yet
  BOOST_TEST(thread.report.counts.scheduled == 4U);
  BOOST_TEST(thread.report.counts.dropped == 1U);
  BOOST_TEST(thread.report.counts.unsent == 1U);
}

BOOST_AUTO_TEST_CASE(at_the_end_what_waits_is_dropped_or_unsent_by_the_same_rule) {
  for (const Duration beyond : {-1ns, 0ns, 1ns}) {
    BOOST_TEST_CONTEXT(beyond.count()) {
      const Duration now = 5ms + beyond;
      Thread thread({0, 1}, 0, 100, 3ms);
      thread.finish(now);
      Counts expected;
      for (Duration intended = 0ms; intended <= now; intended += 1ms) {
        ++expected.scheduled;
        ++(now - intended > 3ms ? expected.dropped : expected.unsent);
      }
      BOOST_TEST((thread.report.counts == expected));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_end_splits_by_warm_up_too) {
  for (const std::uint32_t number : {0U, 1U, 2U}) {
    Thread thread({number, 3}, 30, 60, 15ms);
    thread.finish(40ms);
    // Of 0 to 40 ms inclusive: up to 29 warm-up, up to 24 dropped.
    Counts warmup;
    Counts measured;
    for (std::uint64_t index = number; index <= 40; index += 3) {
      Counts& counts = index < 30 ? warmup : measured;
      ++counts.scheduled;
      ++(index < 25 ? counts.dropped : counts.unsent);
    }
    BOOST_TEST((thread.report.warmup_counts == warmup));
    BOOST_TEST((thread.report.counts == measured));
  }
}

BOOST_AUTO_TEST_CASE(a_stall_of_any_length_takes_neither_memory_nor_time) {
  // What waits is a stretch of the schedule: nothing is kept for any one request.
  static_assert(std::is_trivially_copyable_v<Arrivals>);
  constexpr std::uint64_t requests = 1'000'000'000'000'000;
  for (const bool dropping : {false, true}) {
    Arrivals arrivals(Schedule(1e8), {1, 3}, 1000, requests,
                      dropping ? std::optional<Duration>(100ns) : std::nullopt);
    Recorder recorder(true, Timeline(1s, Duration::max()), 10);
    arrivals.begin(origin);
    const Duration stall = 2'000h;
    const auto start = arrivals.take(origin + stall, recorder);
    BOOST_TEST_REQUIRE(start.has_value());
    const Duration late = origin + stall - start->intended;
    BOOST_TEST((dropping ? late >= 80ns && late <= 100ns : late == stall - 10ns));
    arrivals.finish(origin + stall, recorder);
    recorder.close_row(stall);
    Report report;
    recorder.add_to(report);
    Counts sum = report.counts;
    sum += report.warmup_counts;
    const std::uint64_t due = stall / 10ns + 1;  // of all three threads
    BOOST_TEST(sum.scheduled == due / 3);
    BOOST_TEST(sum.dropped + sum.unsent == sum.scheduled - 1);
    BOOST_TEST((dropping ? sum.unsent <= 4U : sum.dropped == 0U));
  }
}

BOOST_AUTO_TEST_CASE(what_was_not_due_is_never_scheduled) {
  Thread thread({0, 1}, 0, 100);
  BOOST_TEST((thread.take(4ms) == 0ms));
  thread.finish(4ms);
  BOOST_TEST(thread.report.counts.scheduled == 5U);
  BOOST_TEST(thread.report.counts.unsent == 4U);
  BOOST_TEST(!thread.take(1h));
}

BOOST_AUTO_TEST_CASE(scheduled_is_told_in_the_row_of_the_intended_start) {
  Thread thread({0, 1}, 0, 2500);
  for (const Duration row_end : {1s, 2s, 3s}) {
    thread.arrivals.report_scheduled(origin + row_end, thread.recorder);
    thread.recorder.close_row(row_end);
  }
  thread.recorder.read([](const Recorder::Published& seen) {
    BOOST_TEST(seen.rows.at(0).counts.scheduled == 1000U);
    BOOST_TEST(seen.rows.at(1).counts.scheduled == 1000U);
    BOOST_TEST(seen.rows.at(2).counts.scheduled == 500U);
  });
}

BOOST_AUTO_TEST_SUITE_END()
