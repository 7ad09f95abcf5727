#include "loadcore/histogram/histogram.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>
#include <vector>

using loadcore::histogram::Histogram;

BOOST_AUTO_TEST_SUITE(histogram)

BOOST_AUTO_TEST_CASE(every_bucket_begins_where_the_one_before_ends) {
  const auto last = Histogram::index_of(Histogram::highest_ns);
  for (std::size_t index = 0; index < last; ++index) {
    BOOST_REQUIRE_EQUAL(Histogram::highest_of(index) + 1, Histogram::lowest_of(index + 1));
    BOOST_REQUIRE_EQUAL(Histogram::index_of(Histogram::lowest_of(index)), index);
    BOOST_REQUIRE_EQUAL(Histogram::index_of(Histogram::highest_of(index)), index);
  }
}

BOOST_AUTO_TEST_CASE(percentiles_agree_with_sorting_to_three_digits) {
  std::mt19937_64 random(20261121);
  std::lognormal_distribution<double> durations(12.0, 3.0);
  Histogram histogram;
  std::vector<std::int64_t> values;
  for (int i = 0; i < 20'000; ++i) {
    const auto value = std::clamp<std::int64_t>(static_cast<std::int64_t>(durations(random)),
                                                Histogram::lowest_ns, Histogram::highest_ns);
    values.push_back(value);
    histogram.record(value);
  }
  std::ranges::sort(values);
  for (const double percentile : {0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    const auto rank = std::max(1.0, std::ceil(std::nextafter(percentile, 0.0) * static_cast<double>(values.size()) / 100.0));
    const auto truth = static_cast<double>(values[static_cast<std::size_t>(rank) - 1]);
    const auto shown = static_cast<double>(histogram.value_at_percentile(percentile));
    BOOST_TEST(shown >= truth);
    BOOST_TEST(shown <= truth * 1.001 + 1.0);
  }
}

BOOST_AUTO_TEST_CASE(merging_is_recording_both) {
  std::mt19937_64 random(7);
  std::uniform_int_distribution<std::int64_t> durations(0, Histogram::highest_ns);
  Histogram left, right, both;
  for (int i = 0; i < 10'000; ++i) {
    const auto value = durations(random);
    (i % 3 == 0 ? left : right).record(value);
    both.record(value);
  }
  left.merge(right);
  BOOST_TEST((left == both));
}

BOOST_AUTO_TEST_CASE(values_outside_the_range_are_kept_at_its_ends) {
  Histogram histogram;
  histogram.record(-5);
  histogram.record(Histogram::highest_ns * 3);
  BOOST_TEST(histogram.count() == 2U);
  BOOST_TEST(histogram.min() == 0);
  BOOST_TEST(histogram.max() == Histogram::highest_of(Histogram::index_of(Histogram::highest_ns)));
}

BOOST_AUTO_TEST_SUITE_END()
