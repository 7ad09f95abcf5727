#include "loadcore/counter/batcher.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <mutex>
#include <semaphore>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "loadcore/base/clock.hpp"
#include "loadcore/counter/likes.hpp"

using loadcore::base::now;
using loadcore::counter::Addition;
using loadcore::counter::Batcher;
using loadcore::counter::Likes;
using loadcore::counter::Outcome;
using loadcore::counter::Store;
using loadcore::counter::StoreStats;

namespace {

/// Memory that takes its time: a batch waits until it is let go.
class SlowStore final : public Store {
 public:
  void add(std::span<Addition> batch) override {
    sizes.push_back(batch.size());
    begun.release();
    if (!held) return likes_.add(batch);
    go.acquire();
    likes_.add(batch);
  }
  std::int64_t get(std::string_view user) const override { return likes_.get(user); }
  StoreStats stats() const override { return likes_.stats(); }

  std::vector<std::size_t> sizes;  // the committing thread's, until the batcher is gone
  std::atomic<bool> held{false};
  std::counting_semaphore<> begun{0};
  std::counting_semaphore<> go{0};

 private:
  Likes likes_;
};

/// A server thread's lane and how it is woken.
struct Thread {
  explicit Thread(Batcher& batcher) : lane(batcher.open_lane([this] { wake(); })) {}

  void wake() {
    const std::scoped_lock lock(mutex);
    ++wakes;
    woken.notify_one();
  }
  void push(std::uint32_t turn, const std::string& user = "alice", const std::string& key = "") {
    lane.push({.slot = 0, .turn = turn}, user, key);
  }
  void submit() {
    while (!lane.submit()) {
    }
  }
  void wait() {
    std::unique_lock lock(mutex);
    woken.wait(lock, [this] { return wakes > 0; });
    wakes = 0;
  }
  /// What comes back, once there are that many.
  std::vector<Batcher::Item> take(std::size_t count) {
    std::vector<Batcher::Item> items;
    while (items.size() < count) {
      wait();
      const auto& done = lane.take_done().items;
      items.insert(items.end(), done.begin(), done.end());
    }
    return items;
  }

  Batcher::Lane& lane;
  std::mutex mutex;
  std::condition_variable woken;
  int wakes = 0;
};

constexpr std::size_t waiting_max = 1000;

BOOST_AUTO_TEST_CASE(what_was_submitted_comes_back_with_its_total) {
  SlowStore store;
  Batcher batcher(store, waiting_max);
  Thread thread(batcher);
  BOOST_TEST(thread.lane.submit());  // of nothing
  for (std::uint32_t turn = 1; turn <= 3; ++turn) {
    thread.push(turn);
    thread.submit();
    const auto items = thread.take(1);
    BOOST_TEST(items.at(0).ticket.turn == turn);
    BOOST_TEST(items.at(0).total == turn);
    BOOST_TEST((items.at(0).outcome == Outcome::counted));
  }
  BOOST_TEST(batcher.stats().waiting == 0U);
  BOOST_TEST(batcher.stats().batch_sizes.sum == 3U);
}

BOOST_AUTO_TEST_CASE(texts_of_users_and_keys_come_back_too) {
  SlowStore store;
  Batcher batcher(store, waiting_max);
  Thread thread(batcher);
  thread.push(1, "alice", "first");
  thread.push(2, "bob");
  thread.submit();
  thread.wait();
  const Batcher::Batch& done = thread.lane.take_done();
  BOOST_TEST(done.user(done.items.at(0)) == "alice");
  BOOST_TEST(done.key(done.items.at(0)) == "first");
  BOOST_TEST(done.user(done.items.at(1)) == "bob");
  BOOST_TEST(done.key(done.items.at(1)) == "");
}

BOOST_AUTO_TEST_CASE(what_comes_while_a_batch_is_made_safe_is_the_next_batch) {
  SlowStore store;
  {
    Batcher batcher(store, waiting_max);
    Thread thread(batcher);
    store.held = true;
    thread.push(0);
    thread.submit();
    store.begun.acquire();
    for (std::uint32_t turn = 1; turn <= 20; ++turn) {
      thread.push(turn);
      thread.submit();
    }
    store.held = false;
    store.go.release();
    BOOST_TEST(thread.take(21).size() == 21U);
  }
  BOOST_TEST(store.sizes == (std::vector<std::size_t>{1, 20}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_lane_waits_for_more_as_long_as_more_comes_and_not_longer_than_its_time) {
  SlowStore store;
  Batcher batcher(store, 1U << 30);
  Thread thread(batcher);
  thread.push(0);
  BOOST_TEST(!thread.lane.submit());
  thread.push(1);
  BOOST_TEST(!thread.lane.submit());
  BOOST_TEST(thread.lane.submit());  // nothing came since
  BOOST_TEST(thread.take(2).size() == 2U);

  const auto begin = now();
  std::uint32_t turn = 0;
  do thread.push(++turn);
  while (!thread.lane.submit());
  BOOST_TEST((now() - begin >= Batcher::gather_max));
  BOOST_TEST(thread.take(turn).size() == turn);
}

BOOST_AUTO_TEST_CASE(a_full_queue_turns_additions_away_until_there_is_room) {
  SlowStore store;
  Batcher batcher(store, 3);
  Thread thread(batcher);
  for (std::uint32_t turn = 0; turn < 3; ++turn) {
    BOOST_TEST(!thread.lane.full());
    thread.push(turn);
  }
  BOOST_TEST(thread.lane.full());
  BOOST_TEST(batcher.stats().shed == 1U);
  thread.submit();
  thread.take(3);
  BOOST_TEST(!thread.lane.full());
}

BOOST_AUTO_TEST_CASE(what_was_submitted_is_committed_before_the_end_and_a_closed_lane_sleeps) {
  SlowStore store;
  {
    Batcher batcher(store, waiting_max);
    Thread here(batcher);
    store.held = true;
    here.push(1);
    here.submit();
    store.begun.acquire();
    batcher.close_lane(here.lane);
    store.go.release();
    here.push(2);
    here.submit();
    store.go.release();
    while (batcher.stats().waiting > 0) std::this_thread::yield();
    BOOST_TEST(here.wakes == 0);
  }
  BOOST_TEST(store.get("alice") == 2);
}

BOOST_AUTO_TEST_CASE(threads_get_back_what_is_theirs) {
  constexpr std::uint32_t rounds = 300;
  constexpr std::uint32_t at_once = 10;
  SlowStore store;
  Batcher batcher(store, waiting_max);
  std::vector<std::set<std::int64_t>> totals(3);
  std::vector<std::thread> threads;
  for (auto& mine : totals) {
    threads.emplace_back([&batcher, &mine] {
      Thread thread(batcher);
      for (std::uint32_t round = 0; round < rounds; ++round) {
        std::set<std::uint32_t> turns;
        for (std::uint32_t i = 0; i < at_once; ++i) {
          thread.push(round * at_once + i);
          turns.insert(round * at_once + i);
        }
        thread.submit();
        for (const Batcher::Item& item : thread.take(at_once)) {
          turns.erase(item.ticket.turn);
          mine.insert(item.total);
        }
        if (!turns.empty()) return;  // seen below: totals are missing
      }
      batcher.close_lane(thread.lane);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::int64_t> all;
  for (const auto& mine : totals) {
    BOOST_TEST(mine.size() == rounds * at_once);
    all.insert(mine.begin(), mine.end());
  }
  BOOST_TEST(all.size() == 3 * rounds * at_once);
  BOOST_TEST(*all.rbegin() == 3 * rounds * at_once);
}

BOOST_AUTO_TEST_CASE(a_lane_is_opened_while_others_commit) {
  constexpr std::size_t lanes = 200;
  SlowStore store;
  Batcher batcher(store, waiting_max);
  std::atomic<bool> enough{false};
  std::thread busy([&batcher, &enough] {
    Thread thread(batcher);
    for (std::uint32_t turn = 0; !enough; ++turn) {
      thread.push(turn);
      thread.submit();
      if (thread.take(1).front().ticket.turn != turn) return;  // seen below: the total is short
    }
    thread.push(0, "last");
    thread.submit();
    thread.take(1);
    batcher.close_lane(thread.lane);
  });
  store.begun.acquire();
  for (std::uint32_t lane = 0; lane < lanes; ++lane) {
    Thread thread(batcher);
    thread.push(lane, "bob");
    thread.submit();
    const auto items = thread.take(1);
    BOOST_TEST(items.front().total == lane + 1);
    batcher.close_lane(thread.lane);
  }
  enough = true;
  busy.join();
  BOOST_TEST(store.get("bob") == lanes);
  BOOST_TEST(store.get("last") == 1);
}

}  // namespace
