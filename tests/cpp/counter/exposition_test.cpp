#include "counter/exposition.hpp"

#include <array>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdint>

#include "loadcore/base/tally.hpp"

using loadcore::base::SpanCounts;
using loadcore::base::SpanTally;
using loadcore::counter::Exposition;
using Kind = Exposition::Kind;

BOOST_AUTO_TEST_SUITE(exposition)

BOOST_AUTO_TEST_CASE(families_and_samples) {
  Exposition exposition;
  exposition.family("likes_total", Kind::counter, "Likes.");
  exposition.sample(std::uint64_t{18'446'744'073'709'551'615U});
  exposition.family("part", Kind::gauge, "A part.");
  exposition.sample(0.1, {{"of", "a"}, {"in", "b"}});
  BOOST_TEST(exposition.text() ==
             "# HELP likes_total Likes.\n"
             "# TYPE likes_total counter\n"
             "likes_total 18446744073709551615\n"
             "# HELP part A part.\n"
             "# TYPE part gauge\n"
             "part{of=\"a\",in=\"b\"} 0.1\n");
}

BOOST_AUTO_TEST_CASE(values_of_labels_are_escaped) {
  Exposition exposition;
  exposition.family("x", Kind::gauge, "X.");
  exposition.sample(std::uint64_t{1}, {{"text", "a\"b\\c\nd"}});
  BOOST_TEST(exposition.text().ends_with("x{text=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

BOOST_AUTO_TEST_CASE(histograms_are_cumulative) {
  Exposition exposition;
  exposition.family("took_seconds", Kind::histogram, "Time.");
  exposition.histogram(std::array{0.5, 1.0}, std::array<std::uint64_t, 3>{4, 0, 2}, 7.25,
                       {{"route", "a"}});
  BOOST_TEST(exposition.text() ==
             "# HELP took_seconds Time.\n"
             "# TYPE took_seconds histogram\n"
             "took_seconds_bucket{route=\"a\",le=\"0.5\"} 4\n"
             "took_seconds_bucket{route=\"a\",le=\"1\"} 4\n"
             "took_seconds_bucket{route=\"a\",le=\"+Inf\"} 6\n"
             "took_seconds_sum{route=\"a\"} 7.25\n"
             "took_seconds_count{route=\"a\"} 6\n");
}

BOOST_AUTO_TEST_CASE(a_span_is_counted_once_in_the_bucket_that_it_does_not_exceed) {
  using namespace std::chrono_literals;
  SpanTally tally;
  tally.record(-1ns);  // no clock should, but it must not wrap the sum
  tally.record(5us);
  tally.record(5001ns);
  tally.record(1h);
  SpanCounts counts;
  tally.add_to(counts);
  tally.add_to(counts);
  BOOST_TEST(counts.counts.front() == 4U);
  BOOST_TEST(counts.counts[1] == 2U);
  BOOST_TEST(counts.counts.back() == 2U);
  BOOST_TEST((counts.sum == 2 * (5us + 5001ns + 1h)));
}

BOOST_AUTO_TEST_SUITE_END()
