#include "counter/batch_plan.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "reference.hpp"

using loadcore::counter::Addition;
using loadcore::counter::BatchPlan;
using loadcore::counter::DurableOptions;
using loadcore::counter::EntryReader;
using loadcore::counter::FrameBuilder;
using loadcore::counter::FrameHeader;
using loadcore::counter::KeyWindow;
using loadcore::counter::Likes;
using loadcore::counter::Outcome;
using loadcore::counter::simulated::additions;
using loadcore::counter::simulated::Batch;
using loadcore::counter::simulated::numbered;
using loadcore::counter::simulated::Reference;

namespace {

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();

/// Memory, and the plan that changes it.
struct Bench {
  explicit Bench(const DurableOptions& the_options = {})
      : options(the_options), keys({options.key_age_ms_max, options.keys_max}) {}

  std::vector<Addition> make(const Batch& batch) {
    made = additions(batch);
    plan.make(made, likes, keys, options.users_max, now_ms);
    return made;
  }
  std::vector<Addition> add(const Batch& batch) {
    make(batch);
    if (plan.write(frame)) {
      written = frame.finish(1, 1, now_ms);
      plan.apply(likes, keys, now_ms);
    }
    return made;
  }

  DurableOptions options;
  Likes likes;
  KeyWindow keys;
  BatchPlan plan;
  FrameBuilder frame;
  std::vector<Addition> made;
  std::string written;
  std::int64_t now_ms = 1000;
};

std::vector<std::pair<int, std::int64_t>> outcomes(const std::vector<Addition>& batch) {
  std::vector<std::pair<int, std::int64_t>> result;
  for (const Addition& addition : batch) {
    result.emplace_back(static_cast<int>(addition.outcome), addition.total);
  }
  return result;
}

void require(const std::vector<Addition>& batch,
             const std::vector<std::pair<Outcome, std::int64_t>>& expected) {
  BOOST_REQUIRE_EQUAL(batch.size(), expected.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    BOOST_TEST((batch[i].outcome == expected[i].first), "outcome of addition " << i);
    BOOST_TEST(batch[i].total == expected[i].second, "total of addition " << i);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(batch_plan)

BOOST_AUTO_TEST_CASE(one_user_many_times_is_one_entry_and_a_running_total) {
  Bench bench;
  Batch batch;
  for (int i = 0; i < 5000; ++i) batch.push_back({.user = "hot", .likes = 2});
  const auto answers = bench.add(batch);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    BOOST_REQUIRE_EQUAL(answers[i].total, static_cast<std::int64_t>(2 * (i + 1)));
  }
  BOOST_TEST(bench.likes.get("hot") == 10'000);
  EntryReader entries(std::string_view(bench.written).substr(FrameHeader::bytes));
  const auto entry = entries.next();
  BOOST_REQUIRE(entry);
  BOOST_TEST(entry->likes == 10'000U);
  BOOST_TEST(!entries.next());
}

BOOST_AUTO_TEST_CASE(a_key_twice_in_a_batch_counts_once) {
  Bench bench;
  require(bench.add({{.user = "a", .key = "k"},
                     {.user = "a"},
                     {.user = "a", .key = "k"},
                     {.user = "b", .key = "k"},
                     {.user = "b", .key = "l"}}),
          {{Outcome::counted, 1},
           {Outcome::counted, 2},
           {Outcome::replayed, 1},
           {Outcome::key_conflict, 0},
           {Outcome::counted, 1}});
  require(bench.add({{.user = "a", .key = "k"}, {.user = "b", .key = "k"}}),
          {{Outcome::replayed, 1}, {Outcome::key_conflict, 0}});
  BOOST_TEST(bench.likes.get("a") == 2);
  BOOST_TEST(bench.likes.get("b") == 1);
}

BOOST_AUTO_TEST_CASE(replays_and_refusals_alone_write_nothing) {
  Bench bench;
  bench.add({{.user = "a", .key = "k"}, {.user = "max", .likes = most}});
  bench.make({{.user = "a", .key = "k"}, {.user = "b", .key = "k"}, {.user = "max"}});
  BOOST_TEST(!bench.plan.write(bench.frame));
  bench.make({});
  BOOST_TEST(!bench.plan.write(bench.frame));
}

BOOST_AUTO_TEST_CASE(totals_stop_at_the_largest_number) {
  Bench bench;
  require(bench.add({{.user = "a", .likes = most - 1},
                     {.user = "a", .likes = 2},
                     {.user = "a"},
                     {.user = "a"},
                     {.user = "a", .key = "k"},
                     {.user = "b", .likes = most}}),
          {{Outcome::counted, most - 1},
           {Outcome::overflow, most - 1},
           {Outcome::counted, most},
           {Outcome::overflow, most},
           {Outcome::overflow, most},
           {Outcome::counted, most}});
  BOOST_TEST(bench.likes.get("a") == most);
  // The refused key is free still.
  BOOST_TEST(!bench.keys.find("k", bench.now_ms).has_value());
}

BOOST_AUTO_TEST_CASE(new_users_stop_at_the_limit_and_known_ones_do_not) {
  DurableOptions options;
  options.users_max = 2;
  Bench bench(options);
  require(bench.add({{.user = "a"}, {.user = "b"}, {.user = "c"}, {.user = "a"}, {.user = "c"}}),
          {{Outcome::counted, 1},
           {Outcome::counted, 1},
           {Outcome::full, 0},
           {Outcome::counted, 2},
           {Outcome::full, 0}});
  require(bench.add({{.user = "c", .key = "k"}, {.user = "b", .key = "k"}}),
          {{Outcome::full, 0}, {Outcome::counted, 2}});
  BOOST_TEST(bench.likes.users() == 2U);
}

BOOST_AUTO_TEST_CASE(what_is_not_kept_is_taken_back) {
  Bench bench;
  bench.add({{.user = "a", .key = "k"}, {.user = "max", .likes = most}});
  const auto before = outcomes(bench.make(
      {{.user = "b"}, {.user = "b", .key = "k"}, {.user = "a", .key = "k"}, {.user = "max"}}));
  bench.plan.take_back();
  require(bench.made, {{Outcome::unavailable, 0},
                       {Outcome::key_conflict, 0},
                       {Outcome::unavailable, 0},
                       {Outcome::overflow, most}});
  // Making it again is as if nothing had been.
  BOOST_TEST((outcomes(bench.make({{.user = "b"},
                                   {.user = "b", .key = "k"},
                                   {.user = "a", .key = "k"},
                                   {.user = "max"}})) == before));
}

BOOST_AUTO_TEST_CASE(batches_of_all_sizes_are_decided_as_by_plain_maps) {
  std::mt19937_64 random(1);
  for (int history = 0; history < 60; ++history) {
    DurableOptions options;
    options.users_max = 1 + random() % 60;
    options.keys_max = 1 + random() % 50;
    options.key_age_ms_max = static_cast<std::int64_t>(random() % 300);
    Bench bench(options);
    Reference reference(options);
    for (int round = 0; round < 30; ++round) {
      Batch batch(1 + random() % (round % 10 == 0 ? 600 : 8));
      for (auto& like : batch) {
        like.user = numbered("u", random() % 80);
        if (random() % 2 == 0) like.key = numbered("k", random() % 90);
        if (like.key.empty()) like.likes = random() % 50 == 0 ? most / 2 : 1 + random() % 9;
      }
      bench.now_ms += static_cast<std::int64_t>(random() % 100) - 10;
      const auto expected = reference.add(batch, bench.now_ms);
      BOOST_REQUIRE((outcomes(bench.add(batch)) == outcomes(expected)));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
