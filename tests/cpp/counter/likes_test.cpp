#include "loadcore/counter/likes.hpp"

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "loadcore/counter/sip_hash.hpp"

using loadcore::counter::Addition;
using loadcore::counter::Likes;
using loadcore::counter::LikesOptions;
using loadcore::counter::Outcome;
using loadcore::counter::SipHash;

namespace {

Addition add(Likes& likes, std::string_view user, std::int64_t count = 1) {
  Addition addition{.user = user, .likes = count};
  likes.add({&addition, 1});
  return addition;
}

LikesOptions room_for(std::uint64_t users) {
  LikesOptions options;
  options.users_max = users;
  return options;
}

[[maybe_unused]] std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0;
  statm >> pages >> pages;
  return pages * 4096;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(likes)

BOOST_AUTO_TEST_CASE(sip_hash_gives_the_published_values) {
  // From the appendix of the paper and its reference vectors: key 00..0f, input 00, 01, 02...
  const SipHash<2, 4> hash(0x0706050403020100, 0x0f0e0d0c0b0a0908);
  std::string input;
  for (char byte = 0; byte < 15; ++byte) input += byte;
  BOOST_TEST(hash(input) == 0xa129ca6149be45e5);
  BOOST_TEST(hash("") == 0x726fdb47dd0e0e31);
  BOOST_TEST(hash(input.substr(0, 1)) == 0x74f839c593dc67fd);
  BOOST_TEST(hash(input.substr(0, 8)) == 0x93f5f5799a932462);
}

BOOST_AUTO_TEST_CASE(counts_like_a_map) {
  Likes likes;
  std::unordered_map<std::string, std::int64_t> truth;
  std::mt19937 random(1);
  for (int i = 0; i < 200'000; ++i) {
    // Ids of every length, some that differ in the last character only.
    const std::size_t length = random() % 128 + 1;
    std::string user(length, 'a');
    user.back() = static_cast<char>('a' + random() % 26);
    if (length > 3) user[1] = static_cast<char>('a' + random() % 26);
    const Addition done = add(likes, user);
    BOOST_REQUIRE((done.outcome == Outcome::counted));
    BOOST_REQUIRE_EQUAL(done.total, ++truth[user]);
  }
  for (const auto& [user, total] : truth) BOOST_REQUIRE_EQUAL(likes.get(user), total);
  BOOST_TEST(likes.get("never") == 0);
  BOOST_TEST(likes.get("") == 0);
  BOOST_TEST(likes.stats().users == truth.size());
  BOOST_TEST(likes.stats().likes == 200'000U);
}

BOOST_AUTO_TEST_CASE(a_batch_is_taken_one_by_one) {
  Likes likes(room_for(2));
  std::vector<Addition> batch{
      {.user = "a"}, {.user = "b", .likes = 5}, {.user = "c"}, {.user = "a"}};
  likes.add(batch);
  BOOST_TEST(batch[0].total == 1);
  BOOST_TEST(batch[1].total == 5);
  BOOST_TEST((batch[2].outcome == Outcome::full));
  BOOST_TEST(batch[3].total == 2);
  BOOST_TEST(likes.stats().users == 2U);
  BOOST_TEST(likes.stats().likes == 7U);
}

BOOST_AUTO_TEST_CASE(asking_for_a_user_makes_none) {
  Likes likes(room_for(1));
  for (int i = 0; i < 1000; ++i) BOOST_TEST(likes.get(std::to_string(i)) == 0);
  BOOST_TEST(likes.stats().users == 0U);
  BOOST_TEST((add(likes, "a").outcome == Outcome::counted));
}

BOOST_AUTO_TEST_CASE(totals_do_not_wrap) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  Likes likes;
  BOOST_TEST(add(likes, "a", most - 1).total == most - 1);
  BOOST_TEST(add(likes, "a").total == most);
  const Addition refused = add(likes, "a");
  BOOST_TEST((refused.outcome == Outcome::overflow));
  BOOST_TEST(refused.total == most);
  BOOST_TEST((add(likes, "a", most).outcome == Outcome::overflow));
  BOOST_TEST(likes.get("a") == most);
}

BOOST_AUTO_TEST_CASE(threads_lose_no_like) {
  Likes likes(room_for(1000));
  constexpr int threads = 4;
  constexpr int rounds = 20'000;
  std::vector<std::thread> adders;
  for (int t = 0; t < threads; ++t) {
    adders.emplace_back([&likes, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      std::int64_t last = 0;
      for (int i = 0; i < rounds; ++i) {
        const std::int64_t total = add(likes, "everybody").total;
        if (total <= last) std::abort();  // totals one thread sees only go up
        last = total;
        add(likes, "u" + std::to_string(random() % 2000));
        likes.get("u" + std::to_string(random() % 2000));
      }
    });
  }
  for (std::thread& adder : adders) adder.join();
  BOOST_TEST(likes.get("everybody") == threads * rounds);
  BOOST_TEST(likes.stats().users == 1000U);
  std::int64_t sum = likes.get("everybody");
  for (int i = 0; i < 2000; ++i) sum += likes.get("u" + std::to_string(i));
  BOOST_TEST(static_cast<std::uint64_t>(sum) == likes.stats().likes);
}

BOOST_AUTO_TEST_CASE(a_user_takes_at_most_a_hundred_bytes) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  constexpr std::size_t users = 1'000'000;
  Likes likes;
  const std::size_t before = resident_bytes();
  char user[25];
  for (std::size_t i = 0; i < users; ++i) {
    std::snprintf(user, sizeof user, "user-%019zu", i * 7919);
    add(likes, {user, 24});
  }
  const std::size_t bytes = (resident_bytes() - before) / users;
  BOOST_TEST_MESSAGE("bytes a user: " << bytes);
  BOOST_TEST(bytes <= 100U);
#endif
}

BOOST_AUTO_TEST_SUITE_END()
