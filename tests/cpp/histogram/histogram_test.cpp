#include "loadcore/histogram/histogram.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <utility>
#include <vector>

using loadcore::histogram::Histogram;

namespace {

std::int64_t clamped(double value) {
  return static_cast<std::int64_t>(
      std::clamp(value, 1.0, static_cast<double>(Histogram::highest_ns)));
}

Histogram random_histogram(unsigned seed, int size) {
  std::mt19937_64 random(seed);
  std::lognormal_distribution<double> durations(12.0, 3.0);
  Histogram histogram;
  for (int i = 0; i < size; ++i) histogram.record(clamped(durations(random)));
  return histogram;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(histogram)

BOOST_AUTO_TEST_CASE(every_bucket_begins_where_the_one_before_ends) {
  const auto last = Histogram::index_of(Histogram::highest_ns);
  BOOST_TEST(last < Histogram::buckets.size());
  for (std::size_t index = 0; index < last; ++index) {
    BOOST_REQUIRE_EQUAL(Histogram::highest_of(index) + 1, Histogram::lowest_of(index + 1));
    BOOST_REQUIRE_EQUAL(Histogram::index_of(Histogram::lowest_of(index)), index);
    BOOST_REQUIRE_EQUAL(Histogram::index_of(Histogram::highest_of(index)), index);
  }
}

BOOST_AUTO_TEST_CASE(a_bucket_is_narrower_than_three_digits_tell_apart) {
  for (std::size_t index = 1; index <= Histogram::index_of(Histogram::highest_ns); ++index) {
    const auto width = Histogram::highest_of(index) - Histogram::lowest_of(index) + 1;
    BOOST_REQUIRE(width == 1 || width * 1000 <= Histogram::lowest_of(index));
  }
}

BOOST_AUTO_TEST_CASE(percentiles_agree_with_sorting_to_three_digits) {
  std::mt19937_64 random(20261121);
  std::lognormal_distribution<double> durations(12.0, 3.0);
  Histogram histogram;
  std::vector<std::int64_t> values;
  for (int i = 0; i < 20'000; ++i) {
    values.push_back(clamped(durations(random)));
    histogram.record(values.back());
  }
  std::ranges::sort(values);
  // Percentile and the rank that stands there: 20,000 makes both whole.
  const std::pair<double, std::size_t> ranks[] = {
      {0.005, 1},     {1.0, 200},     {50.0, 10'000},  {90.0, 18'000},
      {99.0, 19'800}, {99.9, 19'980}, {99.99, 19'998}, {100.0, 20'000},
  };
  for (const auto& [percentile, rank] : ranks) {
    const std::size_t bucket = Histogram::index_of(values[rank - 1]);
    BOOST_TEST(histogram.value_at_percentile(percentile) == Histogram::highest_of(bucket));
  }
  BOOST_TEST(histogram.value_at_percentile(0.0) == histogram.min());
  BOOST_TEST(histogram.min() == Histogram::lowest_of(Histogram::index_of(values.front())));
  BOOST_TEST(histogram.max() == Histogram::highest_of(Histogram::index_of(values.back())));
}

BOOST_AUTO_TEST_CASE(many_percentiles_in_one_walk_are_those_asked_one_by_one) {
  const Histogram histogram = random_histogram(3, 5'000);
  const std::vector<double> asked = {99.9, 50.0,  0.0,  100.0, 50.0,
                                     1e-9, 250.0, -3.0, 12.34, std::nan("")};
  const auto together = histogram.values_at_percentiles(asked);
  BOOST_REQUIRE(together.size() == asked.size());
  for (std::size_t i = 0; i < asked.size(); ++i) {
    BOOST_TEST(together[i] == histogram.value_at_percentile(asked[i]));
  }
  BOOST_TEST(histogram.values_at_percentiles({}).empty());
}

BOOST_AUTO_TEST_CASE(percentiles_out_of_range_are_its_ends) {
  const Histogram histogram = random_histogram(4, 100);
  BOOST_TEST(histogram.value_at_percentile(-1.0) == histogram.min());
  BOOST_TEST(histogram.value_at_percentile(std::nan("")) == histogram.min());
  BOOST_TEST(histogram.value_at_percentile(1e300) == histogram.max());
}

BOOST_AUTO_TEST_CASE(an_empty_histogram_is_all_zeros) {
  const Histogram empty;
  const double asked[] = {0.0, 50.0, 100.0};
  BOOST_TEST(empty.empty());
  BOOST_TEST(empty.count() == 0U);
  BOOST_TEST(empty.min() == 0);
  BOOST_TEST(empty.max() == 0);
  BOOST_TEST(empty.mean() == 0.0);
  BOOST_TEST(empty.stddev() == 0.0);
  BOOST_TEST(empty.value_at_percentile(99.0) == 0);
  BOOST_TEST((empty.values_at_percentiles(asked) == std::vector<std::int64_t>{0, 0, 0}));
  BOOST_TEST(empty.count_between(0, Histogram::highest_ns) == 0U);
  BOOST_TEST(empty.counts().empty());
  BOOST_TEST((empty == Histogram()));
  empty.for_each_bucket([](const Histogram::Bucket&) { BOOST_ERROR("nothing was recorded"); });
}

BOOST_AUTO_TEST_CASE(mean_and_deviation_of_known_values) {
  Histogram histogram;  // all below 2048, where buckets hold one value each
  for (const std::int64_t value : {2, 4, 4, 4, 5, 5, 7, 9}) histogram.record(value);
  BOOST_TEST(histogram.mean() == 5.0, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(histogram.stddev() == 2.0, boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(counts_between_two_values) {
  Histogram histogram;
  for (std::int64_t value = 0; value < 1000; ++value) histogram.record(value, 2);
  BOOST_TEST(histogram.count_between(10, 19) == 20U);
  BOOST_TEST(histogram.count_between(10, 10) == 2U);
  BOOST_TEST(histogram.count_between(11, 10) == 0U);
  BOOST_TEST(histogram.count_between(-5, 0) == 2U);
  BOOST_TEST(histogram.count_between(999, std::numeric_limits<std::int64_t>::max()) == 2U);
  BOOST_TEST(histogram.count_between(1000, Histogram::highest_ns) == 0U);
  BOOST_TEST(histogram.count_between(0, Histogram::highest_ns) == histogram.count());
}

BOOST_AUTO_TEST_CASE(buckets_are_visited_ascending_and_only_if_they_hold_something) {
  const Histogram histogram = random_histogram(5, 3'000);
  std::uint64_t sum = 0;
  std::int64_t before = -1;
  Histogram rebuilt;
  histogram.for_each_bucket([&](const Histogram::Bucket& bucket) {
    BOOST_TEST(bucket.count > 0U);
    BOOST_TEST(bucket.lowest_ns > before);
    BOOST_TEST(bucket.highest_ns >= bucket.lowest_ns);
    before = bucket.highest_ns;
    sum += bucket.count;
    rebuilt.record(bucket.lowest_ns, bucket.count);
  });
  BOOST_TEST(sum == 3'000U);
  BOOST_TEST((rebuilt == histogram));
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
  left.merge(Histogram());
  BOOST_TEST((left == both));
}

BOOST_AUTO_TEST_CASE(merging_with_itself_doubles) {
  Histogram histogram = random_histogram(8, 500);
  Histogram twice = histogram;
  twice.merge(histogram);
  histogram.merge(histogram);
  BOOST_TEST((histogram == twice));
  BOOST_TEST(histogram.count() == 1'000U);
}

BOOST_AUTO_TEST_CASE(values_outside_the_range_are_kept_at_its_ends) {
  Histogram histogram;
  histogram.record(-5);
  histogram.record(std::numeric_limits<std::int64_t>::min());
  histogram.record(Histogram::highest_ns * 3);
  histogram.record(std::numeric_limits<std::int64_t>::max());
  BOOST_TEST(histogram.count() == 4U);
  BOOST_TEST(histogram.min() == 0);
  BOOST_TEST(histogram.max() == Histogram::highest_of(Histogram::index_of(Histogram::highest_ns)));
}

BOOST_AUTO_TEST_CASE(counts_stop_at_their_limit) {
  constexpr auto limit = Histogram::count_max;
  Histogram histogram;
  histogram.record(1, std::numeric_limits<std::uint64_t>::max());
  BOOST_TEST(histogram.count() == limit);
  histogram.record(1);
  histogram.record(9'000);
  histogram.record(1, 5);
  histogram.merge(histogram);
  BOOST_TEST(histogram.count() == limit);
  BOOST_TEST(histogram.counts()[1] == limit);
  BOOST_TEST(histogram.count_between(0, Histogram::highest_ns) == limit);
  BOOST_TEST(histogram.value_at_percentile(50.0) == 1);
  BOOST_TEST(histogram.value_at_percentile(0.0) == 1);
  BOOST_TEST(histogram.value_at_percentile(100.0) == histogram.max());
  BOOST_TEST(histogram.mean() == 1.0, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(recording_no_observation_records_nothing) {
  Histogram histogram;
  histogram.record(77, 0);
  BOOST_TEST((histogram == Histogram()));
}

BOOST_AUTO_TEST_CASE(a_reset_histogram_is_a_new_one) {
  Histogram histogram = random_histogram(9, 1'000);
  histogram.reset();
  BOOST_TEST((histogram == Histogram()));
  histogram.record(123);
  Histogram fresh;
  fresh.record(123);
  BOOST_TEST((histogram == fresh));
}

BOOST_AUTO_TEST_CASE(copies_and_moves_are_independent) {
  const Histogram source = random_histogram(10, 1'000);
  Histogram copy = source;
  BOOST_TEST((copy == source));
  copy.record(1);
  BOOST_TEST((copy != source));
  Histogram assigned = random_histogram(11, 10);
  assigned = source;
  BOOST_TEST((assigned == source));
  Histogram moved = std::move(assigned);
  BOOST_TEST((moved == source));
  assigned = source;  // a histogram that was moved from may be assigned to
  BOOST_TEST((assigned == source));
  Histogram& same = moved;
  moved = same;
  BOOST_TEST((moved == source));
}

BOOST_AUTO_TEST_CASE(equality_sees_every_count) {
  Histogram left, right;
  for (const std::int64_t value : {10, 20, 30}) left.record(value);
  for (const std::int64_t value : {10, 21, 30}) right.record(value);
  BOOST_TEST((left != right));
}

BOOST_AUTO_TEST_SUITE_END()
