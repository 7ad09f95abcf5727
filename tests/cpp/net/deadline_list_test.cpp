#include "loadcore/net/deadline_list.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <random>

using loadcore::base::TimePoint;
using loadcore::net::DeadlineList;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds span(10);

TimePoint at(int milliseconds_past) { return TimePoint(milliseconds(milliseconds_past)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(deadline_list)

BOOST_AUTO_TEST_CASE(the_earliest_expires_first_and_not_before_its_time) {
  DeadlineList list(3, span);
  BOOST_TEST(!list.next().has_value());
  list.add(2, at(0));
  list.add(0, at(1));
  list.add(1, at(1));
  BOOST_TEST((list.next() == at(10)));
  BOOST_TEST(!list.pop_expired(at(9)).has_value());
  BOOST_TEST((list.pop_expired(at(10)) == 2U));
  BOOST_TEST(!list.pop_expired(at(10)).has_value());
  BOOST_TEST((list.pop_expired(at(11)) == 0U));
  BOOST_TEST((list.pop_expired(at(11)) == 1U));
  BOOST_TEST(!list.pop_expired(at(1000)).has_value());
  BOOST_TEST(!list.next().has_value());
}

BOOST_AUTO_TEST_CASE(adding_again_starts_anew_and_removing_twice_is_harmless) {
  DeadlineList list(2, span);
  list.add(0, at(0));
  list.add(1, at(1));
  list.add(0, at(2));
  BOOST_TEST((list.next() == at(11)));
  list.remove(1);
  list.remove(1);
  BOOST_TEST((list.next() == at(12)));
  BOOST_TEST((list.pop_expired(at(12)) == 0U));
}

// Against a map that is sorted the long way.
BOOST_AUTO_TEST_CASE(agrees_with_a_sorted_map) {
  std::mt19937_64 random(20261121);
  constexpr std::uint32_t entries = 20;
  DeadlineList list(entries, span);
  std::map<std::uint32_t, TimePoint> expected;
  const auto earliest = [&] {
    return std::min_element(expected.begin(), expected.end(),
                            [](const auto& a, const auto& b) { return a.second < b.second; });
  };
  int expired = 0;
  for (int now = 0; now < 20'000; ++now) {
    const auto id = static_cast<std::uint32_t>(random() % entries);
    if (random() % 3 == 0) {
      list.remove(id);
      expected.erase(id);
    } else {
      list.add(id, at(now));
      expected[id] = at(now) + span;
    }
    if (random() % 8 != 0) continue;
    while (const auto found = list.pop_expired(at(now))) {
      BOOST_REQUIRE_EQUAL(*found, earliest()->first);
      BOOST_REQUIRE((earliest()->second <= at(now)));
      expected.erase(*found);
      ++expired;
    }
    BOOST_REQUIRE_EQUAL(list.next().has_value(), !expected.empty());
    if (!expected.empty()) BOOST_REQUIRE((*list.next() == earliest()->second));
  }
  BOOST_TEST(expired > 100);
}

BOOST_AUTO_TEST_SUITE_END()
