#include "load/schedule.hpp"

#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <random>

using loadcore::base::Duration;
using loadcore::load::Schedule;
using namespace std::chrono_literals;

namespace {

constexpr std::array rates = {1.0 / 3, 1.0, 3.0, 7.0, 1e6 / 7, 999.999, 2000.0, 1e9 / 3, 1e8};

std::uint64_t counted_before(const Schedule& schedule, Duration instant) {
  std::uint64_t count = 0;
  while (schedule.intended(count) < instant) ++count;
  return count;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(schedule)

BOOST_AUTO_TEST_CASE(whole_gaps_are_exact) {
  const Schedule schedule(2000);
  BOOST_TEST(schedule.gap().count() == 500'000);
  for (const std::uint64_t index : {0ULL, 1ULL, 19'999ULL, 1'000'000'000'000ULL}) {
    BOOST_TEST(schedule.intended(index).count() == static_cast<std::int64_t>(index) * 500'000);
  }
}

BOOST_AUTO_TEST_CASE(odd_gaps_do_not_drift) {
  const Schedule three(3);
  BOOST_TEST(three.intended(1).count() == 333'333'333);
  BOOST_TEST(three.intended(2).count() == 666'666'667);
  BOOST_TEST(three.intended(3'000'000'000).count() == 1'000'000'000'000'000'000);
}

BOOST_AUTO_TEST_CASE(never_backwards) {
  for (const double rate : rates) {
    const Schedule schedule(rate);
    for (std::uint64_t index = 0; index < 10'000; ++index) {
      BOOST_TEST_REQUIRE((schedule.intended(index) <= schedule.intended(index + 1)));
    }
  }
}

BOOST_AUTO_TEST_CASE(count_before_is_what_counting_gives) {
  for (const double rate : rates) {
    BOOST_TEST_CONTEXT("rate " << rate) {
      const Schedule schedule(rate);
      for (const Duration instant : {Duration(-1), Duration(0), Duration(1), Duration(10),
                                     Duration(11), schedule.gap(), Duration(100us)}) {
        BOOST_TEST(schedule.count_before(instant) == counted_before(schedule, instant));
      }
      // Every start is the boundary: not before itself, and before the next nanosecond.
      std::mt19937_64 random(1);
      for (int turn = 0; turn < 1000; ++turn) {
        const std::uint64_t index = random() % 1'000'000'000;
        const Duration start = schedule.intended(index);
        if (schedule.intended(index + 1) == start) continue;
        BOOST_TEST_REQUIRE(schedule.count_before(start + Duration(1)) == index + 1);
        if (index > 0 && schedule.intended(index - 1) < start) {
          BOOST_TEST_REQUIRE(schedule.count_before(start) == index);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_duration_holds_rate_times_duration) {
  BOOST_TEST(Schedule(2000).count_before(10s) == 20'000U);
  BOOST_TEST(Schedule(3).count_before(1s) == 3U);
  BOOST_TEST(Schedule(3).count_before(1s + 1ns) == 4U);
  BOOST_TEST(Schedule(1.0 / 3).count_before(3s) == 1U);
  BOOST_TEST(Schedule(1.0 / 3).count_before(3s + 1ns) == 2U);
  BOOST_TEST(Schedule(1e8).count_before(1s) == 100'000'000U);
  BOOST_TEST(Schedule(999.999).count_before(1000s) == 999'999U);
  for (std::uint64_t rate = 1; rate <= 20'000; ++rate) {
    for (const std::uint64_t seconds : {1U, 7U, 10U, 3600U}) {
      const Duration length = seconds * 1s;
      BOOST_TEST_REQUIRE(Schedule(static_cast<double>(rate)).count_before(length) ==
                         rate * seconds);
      BOOST_TEST_REQUIRE(Schedule(static_cast<double>(rate) / 1000).count_before(1000 * length) ==
                         rate * seconds);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
