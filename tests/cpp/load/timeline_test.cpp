#include "load/timeline.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>

using loadcore::base::Duration;
using loadcore::load::Timeline;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(timeline)

BOOST_AUTO_TEST_CASE(rows_of_one_length) {
  const Timeline timeline(1s, Duration::max());
  BOOST_TEST((timeline.end(0, 0s) == 1s));
  BOOST_TEST((timeline.end(3599, 3599s) == 3600s));
}

BOOST_AUTO_TEST_CASE(length_doubles_after_3600_rows) {
  const Timeline timeline(1s, Duration::max());
  BOOST_TEST((timeline.end(3600, 3600s) == 3602s));
  BOOST_TEST((timeline.end(7199, 10'798s) == 10'800s));
  BOOST_TEST((timeline.end(7200, 10'800s) == 10'804s));
}

BOOST_AUTO_TEST_CASE(a_year_has_a_bounded_number_of_rows) {
  const Timeline timeline(1ms, Duration::max());
  Duration at{0};
  std::uint32_t rows = 0;
  while (at < std::chrono::hours(24 * 366)) {
    const Duration end = timeline.end(rows++, at);
    BOOST_TEST_REQUIRE((end > at));
    at = end;
  }
  BOOST_TEST(rows < 100'000U);
}

BOOST_AUTO_TEST_CASE(the_row_in_which_sending_ends_goes_on_for_one_more) {
  const Timeline whole(1s, 10s);
  BOOST_TEST((whole.end(8, 8s) == 9s));
  BOOST_TEST((whole.end(9, 9s) == 11s));
  BOOST_TEST((whole.end(10, 11s) == 12s));
  const Timeline part(1s, 10'500ms);
  BOOST_TEST((part.end(9, 9s) == 10s));
  BOOST_TEST((part.end(10, 10s) == 11'500ms));
  BOOST_TEST((part.end(11, 11'500ms) == 12'500ms));
  const Timeline less_than_one(1s, 300ms);
  BOOST_TEST((less_than_one.end(0, 0s) == 1'300ms));
}

BOOST_AUTO_TEST_SUITE_END()
