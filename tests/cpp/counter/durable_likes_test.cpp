// The durable store as a whole: several threads at once, snapshots by itself, faults and limits.

#include "loadcore/counter/durable_likes.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "../comes_true.hpp"
#include "counter/recovery.hpp"
#include "loadcore/base/error.hpp"
#include "reference.hpp"
#include "simulated_disk.hpp"

using loadcore::base::RunError;
using loadcore::counter::Addition;
using loadcore::counter::Durability;
using loadcore::counter::DurableLikes;
using loadcore::counter::DurableOptions;
using loadcore::counter::Outcome;
using loadcore::counter::recover;
using loadcore::counter::simulated::additions;
using loadcore::counter::simulated::Batch;
using loadcore::counter::simulated::Fault;
using loadcore::counter::simulated::numbered;
using loadcore::counter::simulated::Operation;
using loadcore::counter::simulated::PowerLoss;
using loadcore::counter::simulated::SimulatedDisk;
using loadcore::counter::simulated::Step;
using loadcore::test::comes_true;

namespace {

Addition add(DurableLikes& store, std::string_view user, std::string_view key = {}) {
  Addition addition{.user = user, .key = key};
  store.add({&addition, 1});
  return addition;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(durable_likes)

BOOST_AUTO_TEST_CASE(threads_lose_nothing_whatever_snapshots_do) {
  constexpr int threads = 4;
  constexpr int rounds = 300;
  SimulatedDisk disk;
  DurableOptions options;
  options.snapshot_log_bytes = 4096;
  options.keys_max = 300;
  {
    DurableLikes store(disk.open(), options);
    std::atomic<bool> stop{false};
    std::thread reader([&] {
      std::int64_t last = 0;
      while (!stop) {
        const std::int64_t now = store.get("everybody");
        if (now < last) std::abort();  // reads never go back
        last = now;
        store.stats();
        store.durable_stats();
        store.failure();
      }
    });
    std::thread snapshots([&] {
      while (!stop) {
        if (!store.take_snapshot()) std::abort();
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
    std::vector<std::thread> adders;
    for (int t = 0; t < threads; ++t) {
      adders.emplace_back([&store, t] {
        for (int i = 0; i < rounds; ++i) {
          const auto number = static_cast<std::uint64_t>(t * rounds + i);
          const Batch batch{{.user = "everybody"},
                            {.user = numbered("user", number % 50)},
                            {.user = "keyed", .key = numbered("key", number)}};
          std::vector<Addition> answers = additions(batch);
          store.add(answers);
          for (const Addition& answer : answers) {
            if (answer.outcome != Outcome::counted) std::abort();
          }
          // One's own like is there at once.
          if (store.get("everybody") < answers[0].total) std::abort();
        }
      });
    }
    for (std::thread& adder : adders) adder.join();
    stop = true;
    reader.join();
    snapshots.join();
    BOOST_TEST(store.durable_stats().sequence == static_cast<std::uint64_t>(threads * rounds));
  }
  const auto found = recover(*disk.open(), {options.key_age_ms_max, options.keys_max});
  BOOST_TEST(found.likes->get("everybody") == threads * rounds);
  BOOST_TEST(found.likes->get("keyed") == threads * rounds);
  BOOST_TEST(found.likes->stats().likes == 3U * threads * rounds);
  BOOST_TEST(found.likes->stats().users == 52U);
  BOOST_TEST(found.keys->size() == 300U);
}

BOOST_AUTO_TEST_CASE(snapshots_come_by_themselves_and_bound_the_log) {
  SimulatedDisk disk;
  DurableOptions options;
  options.snapshot_log_bytes = 2000;
  DurableLikes store(disk.open(), options);
  const std::string user(100, 'u');
  std::uint64_t frames = 0;
  for (std::uint64_t snapshots = 1; snapshots <= 20; ++snapshots) {
    BOOST_REQUIRE(comes_true([&] {
      for (int i = 0; i < 10; ++i, ++frames) add(store, user);
      return store.durable_stats().snapshots >= snapshots;
    }));
  }
  BOOST_TEST(store.durable_stats().snapshot_failures == 0U);
  // The newest, the one before, and the log behind that one.
  std::size_t snapshots = 0;
  std::size_t log_bytes = 0;
  for (const auto& [name, content] : disk.files()) {
    if (name.starts_with("snapshot-")) ++snapshots;
    if (name.starts_with("log-")) log_bytes += content.size();
  }
  BOOST_TEST(snapshots == 2U);
  BOOST_TEST(log_bytes < 100 * frames / 3);
}

BOOST_AUTO_TEST_CASE(frames_that_a_snapshot_holds_ask_for_no_other) {
  using std::chrono::milliseconds;
  SimulatedDisk disk;
  std::atomic<int> begun{0};
  std::atomic<int> let_go{0};
  DurableOptions options;
  options.snapshot_log_bytes = 2000;
  DurableLikes store(disk.open(), options);
  disk.on_step([&](const Step& step) {
    if (step.operation == Operation::create && step.file == "snapshot.new") {
      for (const int nth = ++begun; let_go < nth;) std::this_thread::sleep_for(milliseconds(1));
    }
    return Fault{};
  });
  const std::string user(100, 'u');
  add(store, user);
  std::thread first([&] { store.take_snapshot(); });
  BOOST_REQUIRE(comes_true([&] { return begun == 1; }));
  for (int i = 0; i < 50; ++i) add(store, user);
  std::this_thread::sleep_for(milliseconds(300));  // the next one is under way, and waits
  for (int i = 0; i < 50; ++i) add(store, user);
  let_go = 1;
  BOOST_REQUIRE(comes_true([&] { return begun == 2; }));
  add(store, user);
  let_go = 3;
  first.join();
  BOOST_TEST(comes_true([&] { return store.durable_stats().snapshots == 2U; }));
  std::this_thread::sleep_for(milliseconds(300));
  BOOST_TEST(store.durable_stats().snapshots == 2U);
}

BOOST_AUTO_TEST_CASE(a_snapshot_without_anything_new_leaves_the_one_before) {
  SimulatedDisk disk;
  DurableLikes store(disk.open(), {});
  add(store, "a");
  BOOST_TEST(store.take_snapshot());
  add(store, "a");
  BOOST_TEST(store.take_snapshot());
  const auto files = disk.files();
  BOOST_TEST(store.take_snapshot());
  BOOST_TEST((disk.files() == files));
  BOOST_TEST(store.durable_stats().snapshots == 2U);
}

BOOST_AUTO_TEST_CASE(after_a_failed_sync_nothing_is_acknowledged_and_the_reason_is_said) {
  SimulatedDisk disk;
  DurableLikes store(disk.open(), {});
  BOOST_TEST(add(store, "a", "k").total == 1);
  disk.on_step(
      [](const Step& step) { return Fault{.error = step.operation == Operation::sync ? EIO : 0}; });
  BOOST_TEST((add(store, "a").outcome == Outcome::unavailable));
  BOOST_TEST(store.failure() ==
             "writing to /simulated failed (Input/output error), so nothing more can be promised: "
             "check the disk and restart");
  disk.on_step(nullptr);  // it works again, and is not believed
  BOOST_TEST((add(store, "a").outcome == Outcome::unavailable));
  BOOST_TEST((add(store, "b", "l").outcome == Outcome::unavailable));
  // What is safe already is answered still.
  BOOST_TEST((add(store, "a", "k").outcome == Outcome::replayed));
  BOOST_TEST(store.get("a") == 1);
  BOOST_TEST(!store.take_snapshot());
}

BOOST_AUTO_TEST_CASE(a_segment_that_may_or_may_not_have_begun_is_a_failure) {
  SimulatedDisk disk;
  DurableLikes store(disk.open(), {});
  add(store, "a");
  disk.on_step([](const Step& step) {
    return Fault{.error = step.operation == Operation::sync_directory ? EIO : 0};
  });
  BOOST_TEST(!store.take_snapshot());
  BOOST_TEST(!store.failure().empty());
  BOOST_TEST((add(store, "a").outcome == Outcome::unavailable));
}

BOOST_AUTO_TEST_CASE(a_full_disk_refuses_a_batch_and_takes_the_next) {
  SimulatedDisk disk;
  DurableLikes store(disk.open(), {});
  disk.on_step([](const Step& step) {
    return step.operation == Operation::write ? Fault{.error = ENOSPC, .bytes_max = 10} : Fault{};
  });
  BOOST_TEST((add(store, "a", "k").outcome == Outcome::unavailable));
  BOOST_TEST(store.failure().empty());
  BOOST_TEST(!store.take_snapshot());
  disk.on_step(nullptr);
  BOOST_TEST((add(store, "a", "k").outcome == Outcome::counted));
  BOOST_TEST(store.get("a") == 1);
  BOOST_TEST(store.take_snapshot());
}

BOOST_AUTO_TEST_CASE(a_disk_that_fails_at_the_start_is_said_to_and_the_next_start_works) {
  SimulatedDisk disk;
  {
    DurableLikes store(disk.open(), {});
    add(store, "a");
    disk.kill();
  }
  const auto starts = [&] {
    try {
      return DurableLikes(disk.open(), {}).get("a") == 1 ? std::string() : "a wrong total";
    } catch (const RunError& error) {
      return std::string(error.what());
    }
  };
  for (const Operation failing :
       {Operation::list, Operation::open, Operation::read, Operation::create, Operation::write,
        Operation::sync, Operation::rename, Operation::sync_directory}) {
    disk.on_step([failing](const Step& step) {
      return Fault{.error = step.operation == failing ? EIO : 0};
    });
    const std::string sentence = starts();
    BOOST_TEST(sentence.find("/simulated") != std::string::npos, sentence);
    BOOST_TEST(sentence.find("cannot be ") != std::string::npos, sentence);
    disk.on_step(nullptr);
  }
  BOOST_TEST(starts() == "");
}

BOOST_AUTO_TEST_CASE(durability_os_survives_the_process_and_syncs_no_batch) {
  SimulatedDisk disk;
  DurableOptions options;
  options.durability = Durability::os;
  std::uint64_t syncs = 0;
  {
    DurableLikes store(disk.open(), options);
    disk.on_step([&](const Step& step) {
      syncs += step.operation == Operation::sync ? 1 : 0;
      return Fault{};
    });
    for (int i = 0; i < 20; ++i) add(store, "a", numbered("k", static_cast<std::uint64_t>(i)));
    BOOST_TEST(syncs == 0U);
    disk.kill();
  }
  disk.on_step(nullptr);
  DurableLikes store(disk.open(), options);
  BOOST_TEST(store.get("a") == 20);
  BOOST_TEST((add(store, "a", "k7").outcome == Outcome::replayed));
  // From here on those survive the power too: a segment that is not the last is on the disk.
  const SimulatedDisk later(disk.after({.data = PowerLoss::Data::none}));
  BOOST_TEST((recover(*SimulatedDisk(later.files()).open(), {}).likes->get("a") == 20));
}

BOOST_AUTO_TEST_CASE(a_huge_batch_goes_in_several_frames) {
  SimulatedDisk disk;
  DurableLikes store(disk.open(), {});
  Batch batch(70'000, {.user = std::string(128, 'u')});
  for (std::size_t i = 0; i < batch.size(); i += 2) {
    batch[i].key = numbered("key", i).append(100, '.');
  }
  std::vector<Addition> answers = additions(batch);
  store.add(answers);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    BOOST_REQUIRE_EQUAL(answers[i].total, static_cast<std::int64_t>(i + 1));
  }
  BOOST_TEST(store.durable_stats().sequence == 3U);
  SimulatedDisk after(disk.after({.data = PowerLoss::Data::none}));
  BOOST_TEST(recover(*after.open(), {}).likes->get(batch[0].user) == 70'000);
}

BOOST_AUTO_TEST_CASE(a_smaller_limit_of_users_keeps_those_who_are_there) {
  SimulatedDisk disk;
  {
    DurableLikes store(disk.open(), {});
    for (const char* const user : {"a", "b", "c"}) add(store, user);
  }
  DurableOptions options;
  options.users_max = 1;
  DurableLikes store(disk.open(), options);
  BOOST_TEST(add(store, "c").total == 2);
  BOOST_TEST((add(store, "d").outcome == Outcome::full));
  BOOST_TEST(store.stats().users == 3U);
}

BOOST_AUTO_TEST_CASE(other_limits_of_keys_after_a_restart_are_kept_to) {
  // Keys that came twice, since the window was small: with a larger one both are met again.
  SimulatedDisk disk;
  DurableOptions options;
  options.keys_max = 2;
  {
    DurableLikes store(disk.open(), options);
    for (const char* const key : {"a", "b", "c", "a", "d"}) add(store, "u", key);
    BOOST_TEST(store.take_snapshot());
    for (const char* const key : {"b", "c", "a"}) add(store, "u", key);
  }
  options.keys_max = 100;
  DurableLikes store(disk.open(), options);
  BOOST_TEST(add(store, "u", "a").total == 8);
  BOOST_TEST(add(store, "u", "d").total == 5);
  BOOST_TEST(add(store, "u", "c").total == 7);
  BOOST_TEST(store.get("u") == 8);
}

BOOST_AUTO_TEST_SUITE_END()
