#include "counter/key_window.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <deque>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "reference.hpp"

using loadcore::counter::KeyWindow;
using loadcore::counter::KeyWindowOptions;
using loadcore::counter::simulated::numbered;

namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t seeds = 4;
#else
constexpr std::uint64_t seeds = 20;
#endif

struct Known {
  std::string key;
  std::string user;
  std::int64_t total = 0;
  std::int64_t unix_ms = 0;
};

/// The same in a deque and by search from its end.
class ReferenceWindow {
 public:
  explicit ReferenceWindow(const KeyWindowOptions& options) : options_(options) {}

  const Known* find(const std::string& key, std::int64_t now_ms) const {
    for (auto known = known_.rbegin(); known != known_.rend(); ++known) {
      if (known->key != key) continue;
      return std::max(now_ms, latest_ms_) - known->unix_ms > options_.age_ms_max ? nullptr
                                                                                 : &*known;
    }
    return nullptr;
  }

  void remember(Known known) {
    known.unix_ms = latest_ms_ = std::max(latest_ms_, known.unix_ms);
    expire(known.unix_ms);
    if (known_.size() == options_.keys_max) {
      known_.pop_front();
      ++forgotten_early_;
    }
    known_.push_back(std::move(known));
  }

  void expire(std::int64_t now_ms) {
    while (!known_.empty() && now_ms - known_.front().unix_ms > options_.age_ms_max) {
      known_.pop_front();
    }
  }

  const std::deque<Known>& known() const { return known_; }
  std::uint64_t forgotten_early() const { return forgotten_early_; }

 private:
  const KeyWindowOptions options_;
  std::deque<Known> known_;
  std::int64_t latest_ms_ = INT64_MIN / 2;
  std::uint64_t forgotten_early_ = 0;
};

bool same(const std::optional<KeyWindow::Answered>& answered, const Known* known) {
  if (known == nullptr || !answered) return known == nullptr && !answered;
  return answered->user == known->user && answered->total == known->total;
}

/// Random calls on both. Texts are long where `bytes_max` is, so that chunks fill up.
void compare(std::uint64_t seed, const KeyWindowOptions& options, std::size_t keys,
             std::size_t bytes_max, int rounds) {
  std::mt19937_64 random(seed);
  KeyWindow window(options);
  ReferenceWindow reference(options);
  std::int64_t now_ms = 1000;
  const auto key_of = [&](std::uint64_t number) {
    std::string key = numbered("key", number);
    key.resize(std::max(key.size(), 1 + number * 7919 % bytes_max), '.');
    return key;
  };
  for (int round = 0; round < rounds; ++round) {
    const std::string key = key_of(random() % keys);
    now_ms += static_cast<std::int64_t>(random() % 8) - 2;  // now and then back
    BOOST_REQUIRE(same(window.find(key, now_ms), reference.find(key, now_ms)));
    if (random() % 8 == 0) {
      window.expire(now_ms);
      reference.expire(now_ms);
    } else if (random() % 3 != 0 || !window.find(key, now_ms)) {
      const std::string user(1 + random() % bytes_max, 'u');
      const auto total = static_cast<std::int64_t>(random());
      window.remember(key, user, total, now_ms);
      reference.remember({key, user, total, now_ms});
    }
    BOOST_REQUIRE_EQUAL(window.size(), reference.known().size());
    BOOST_REQUIRE_EQUAL(window.forgotten_early(), reference.forgotten_early());
    if (round % 64 != 0) continue;
    auto known = reference.known().begin();
    const auto end = window.read(window.begin(), SIZE_MAX, [&](const KeyWindow::Record& record) {
      BOOST_REQUIRE(known != reference.known().end());
      BOOST_REQUIRE(record.key == known->key && record.user == known->user);
      BOOST_REQUIRE(record.total == known->total && record.unix_ms == known->unix_ms);
      ++known;
    });
    BOOST_REQUIRE(known == reference.known().end());
    BOOST_REQUIRE_EQUAL(end, window.end());
  }
  BOOST_TEST(reference.forgotten_early() + reference.known().size() > 0U);
}

[[maybe_unused]] std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0;
  statm >> pages >> pages;
  return pages * 4096;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(key_window)

BOOST_AUTO_TEST_CASE(does_what_a_deque_does) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      compare(seed, {.age_ms_max = 50, .keys_max = 20}, 40, 20, 2000);     // both limits at work
      compare(seed, {.age_ms_max = 1 << 30, .keys_max = 1}, 4, 128, 500);  // one place
      compare(seed, {.age_ms_max = 0, .keys_max = 100}, 10, 20, 500);      // this instant only
      compare(seed, {.age_ms_max = 5000, .keys_max = 3000}, 4000, 128, 2000);
    }
  }
}

BOOST_AUTO_TEST_CASE(records_of_every_size_cross_the_ends_of_chunks) {
  // Some 250 bytes each: 20,000 of them go through 19 chunks.
  compare(5, {.age_ms_max = 1 << 30, .keys_max = 700}, 5000, 128, 20'000);
}

BOOST_AUTO_TEST_CASE(a_clock_that_goes_back_keeps_keys_and_their_order) {
  KeyWindow window({.age_ms_max = 100, .keys_max = 10});
  window.remember("a", "u", 1, 1000);
  window.remember("b", "u", 2, 500);
  std::vector<std::int64_t> times;
  window.read(window.begin(), 10, [&](const auto& record) { times.push_back(record.unix_ms); });
  BOOST_TEST(times == std::vector<std::int64_t>(2, 1000), boost::test_tools::per_element());
  BOOST_TEST(window.find("a", 0).has_value());
  BOOST_TEST(window.find("b", 1100).has_value());
  BOOST_TEST(!window.find("b", 1101).has_value());
}

BOOST_AUTO_TEST_CASE(times_from_a_file_may_be_any) {
  KeyWindow window({.age_ms_max = 100, .keys_max = 10});
  window.remember("a", "u", 1, INT64_MIN);
  BOOST_TEST(window.find("a", INT64_MIN).has_value());
  BOOST_TEST(!window.find("a", INT64_MAX).has_value());
  window.remember("b", "u", 1, INT64_MAX);
  BOOST_TEST(!window.find("a", 0).has_value());
  BOOST_TEST(window.find("b", INT64_MIN).has_value());
  BOOST_TEST(window.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_key_that_comes_again_has_its_last_answer_until_that_is_the_oldest) {
  KeyWindow window({.age_ms_max = 100, .keys_max = 3});
  window.remember("a", "u", 1, 0);
  window.remember("b", "u", 2, 0);
  window.remember("a", "v", 3, 0);
  BOOST_TEST(window.find("a", 0)->total == 3);
  window.remember("c", "u", 4, 0);  // the first "a" goes
  BOOST_TEST(window.find("a", 0)->user == "v");
  window.remember("d", "u", 5, 0);
  window.remember("e", "u", 6, 0);  // the second
  BOOST_TEST(!window.find("a", 0).has_value());
  BOOST_TEST(window.forgotten_early() == 3U);
}

BOOST_AUTO_TEST_CASE(is_read_in_pieces_while_it_goes_on) {
  for (const std::size_t piece : {1U, 7U, 100U, 4096U}) {
    std::mt19937_64 random(piece);
    KeyWindow window({.age_ms_max = 1 << 30, .keys_max = 500});
    int next = 0;
    const auto remember = [&](int times) {
      for (; times > 0; --times, ++next) {
        window.remember(numbered("k", static_cast<std::uint64_t>(next)),
                        std::string(1 + random() % 128, 'u'), next, 0);
      }
    };
    remember(400);
    std::vector<std::int64_t> seen;
    KeyWindow::Place place = 0;
    bool all = false;
    int left_when_begun = next;
    while (!all) {
      place = window.read(place, piece, [&](const auto& record) { seen.push_back(record.total); });
      all = place >= window.end();
      if (!all) remember(static_cast<int>(random() % std::max<std::size_t>(1, piece)));
    }
    // In order, each once, without a hole but for what was forgotten meanwhile, up to the last.
    BOOST_TEST(std::is_sorted(seen.begin(), seen.end()));
    BOOST_TEST((std::adjacent_find(seen.begin(), seen.end()) == seen.end()));
    BOOST_TEST(seen.back() == next - 1);
    BOOST_TEST(seen.size() >= static_cast<std::size_t>(std::min(left_when_begun, 400)));
    for (int i = std::max(0, next - 500); i < next; ++i) {
      BOOST_REQUIRE(std::binary_search(seen.begin(), seen.end(), i));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_key_takes_its_texts_and_at_most_sixty_bytes) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  constexpr std::size_t keys = 1U << 20;
  constexpr std::size_t text_bytes = 36 + 24;
  const std::size_t before = resident_bytes();
  KeyWindow window({.keys_max = keys});
  const auto key = [](std::size_t i) {
    std::string text = std::to_string(i);
    return std::string(36 - text.size(), '0') + text;
  };
  for (std::size_t i = 0; i < 2 * keys; ++i) {
    window.remember(key(i), "user-0123456789012345678", 1, static_cast<std::int64_t>(i));
  }
  BOOST_TEST(window.size() == keys);
  BOOST_TEST(window.find(key(keys), 0).has_value());
  const std::size_t bytes = (resident_bytes() - before) / keys;
  BOOST_TEST_MESSAGE("bytes a key: " << bytes);
  BOOST_TEST(bytes <= text_bytes + 60);
#endif
}

BOOST_AUTO_TEST_SUITE_END()
