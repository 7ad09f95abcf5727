#include "loadcore/histogram/interval_recorder.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

#include "loadcore/histogram/encoding.hpp"

using loadcore::histogram::decode;
using loadcore::histogram::Histogram;
using loadcore::histogram::IntervalRecorder;

BOOST_AUTO_TEST_SUITE(interval_recorder)

BOOST_AUTO_TEST_CASE(intervals_hold_what_was_recorded_in_them_and_add_up) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> durations(11.0, 1.0);
  IntervalRecorder recorder;
  Histogram all, sum;
  for (int interval = 0; interval < 5; ++interval) {
    Histogram own;
    for (int i = 0; i < 1'000 * interval; ++i) {
      const auto value = static_cast<std::int64_t>(durations(random));
      recorder.record(value);
      own.record(value);
      all.record(value);
    }
    BOOST_TEST((recorder.interval() == own));
    const Histogram harvested = decode(recorder.harvest());
    BOOST_TEST((harvested == own));
    BOOST_TEST(recorder.interval().empty());
    sum.merge(harvested);
    BOOST_TEST((recorder.total() == all));
  }
  BOOST_TEST((sum == all));
}

BOOST_AUTO_TEST_CASE(the_total_includes_the_interval_under_way) {
  IntervalRecorder recorder;
  recorder.record(100);
  recorder.harvest();
  recorder.record(200, 3);
  BOOST_TEST(recorder.total().count() == 4U);
  BOOST_TEST(recorder.interval().count() == 3U);
}

BOOST_AUTO_TEST_CASE(an_interval_of_steady_answers_is_compact) {
  std::mt19937_64 random(2);
  std::normal_distribution<double> durations(150'000.0, 10'000.0);
  IntervalRecorder recorder;
  for (int i = 0; i < 100'000; ++i) recorder.record(static_cast<std::int64_t>(durations(random)));
  BOOST_TEST(recorder.harvest().size() < 2'000U);
  BOOST_TEST(recorder.harvest().size() == 40U);  // the header alone
}

BOOST_AUTO_TEST_SUITE_END()
