// A small history, cut off after each of its disk operations and in the middle of each, with
// everything that a loss of power may leave of what was not synced.

#include <boost/test/unit_test.hpp>
#include <deque>
#include <functional>
#include <vector>

#include "trial.hpp"

using loadcore::counter::DurableOptions;
using loadcore::counter::simulated::Batch;
using loadcore::counter::simulated::BrokenPromise;
using loadcore::counter::simulated::Fault;
using loadcore::counter::simulated::Files;
using loadcore::counter::simulated::Operation;
using loadcore::counter::simulated::PowerLoss;
using loadcore::counter::simulated::Reference;
using loadcore::counter::simulated::SimulatedDisk;
using loadcore::counter::simulated::Step;
using loadcore::counter::simulated::Trial;

namespace {

using History = std::function<void(Trial&)>;

/// Up to this many unsynced bytes, the cut is tried at every one of them.
constexpr std::uint64_t every_byte_max = 320;
constexpr std::uint64_t random_losses = 6;

/// Of stops that each cost many starts, how many are passed over.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t stride = 7;
#else
constexpr std::uint64_t stride = 1;
#endif

DurableOptions small_options() {
  DurableOptions options;
  options.users_max = 6;
  options.keys_max = 4;
  options.key_age_ms_max = 1000;
  return options;
}

/// Plain likes, keys that are reused, replayed, expire and are pushed out, refusals.
const std::vector<Batch> batches{
    {{.user = "alice"}},
    {{.user = "bob", .likes = 300, .key = ""}, {.user = "alice", .key = "k1"}},
    {{.user = "alice", .key = "k1"}, {.user = "carol", .key = "k1"}, {.user = "carol"}},
    {{.user = "dave", .key = "k2"}, {.user = "dave", .key = "k2"}, {.user = "dave", .key = "k3"}},
    {{.user = "erin"}, {.user = "frank"}, {.user = "grace"}},
    {{.user = "bob", .likes = INT64_MAX - 300}, {.user = "bob"}},
    {{.user = "alice", .key = "k4"}, {.user = "erin", .key = "k5"}, {.user = "erin", .key = "k6"}},
    {{.user = "dave", .key = "k2"}, {.user = "frank", .likes = 7}},
};

void add_some(Trial& trial, std::size_t from, std::size_t to) {
  for (std::size_t i = from; i < to; ++i) {
    trial.add(batches[i]);
    trial.pass(i == 5 ? 900 : 40);
  }
}

void only_batches(Trial& trial) {
  trial.start();
  add_some(trial, 0, batches.size());
}

void restarts(Trial& trial) {
  trial.start();
  add_some(trial, 0, 3);
  trial.stop();
  trial.start();
  add_some(trial, 3, 5);
  if (!trial.disk().stopped()) trial.kill();
  trial.start();
  trial.stop();
  trial.start();
  add_some(trial, 5, batches.size());
}

/// Two snapshots; batches go on while each is written.
void snapshots(Trial& trial) {
  trial.start();
  add_some(trial, 0, 2);
  std::size_t next = 2;
  std::uint64_t writes = 0;
  trial.disk().on_step([&](const Step& step) {
    const bool of_snapshot = step.operation == Operation::write && step.file == "snapshot.new";
    if (of_snapshot && ++writes % 83 == 0 && next < batches.size()) {
      add_some(trial, next, next + 1);
      ++next;
    }
    return Fault{};
  });
  trial.take_snapshot();
  trial.take_snapshot();
  trial.disk().on_step(nullptr);
  add_some(trial, next, batches.size());
}

/// Batches of which the disk has room for a part only, before and after the next segment.
void lack_of_room(Trial& trial) {
  trial.start();
  for (std::size_t i = 0; i + 1 < batches.size(); i += 2) {
    trial.add(batches[i]);
    trial.disk().on_step([](const Step& step) {
      return step.operation == Operation::write ? Fault{.error = ENOSPC, .bytes_max = 20} : Fault{};
    });
    trial.add(batches[i + 1]);
    trial.disk().on_step(nullptr);
    if (i % 4 == 0) continue;
    trial.stop();
    trial.start();
  }
}

std::uint64_t operations_of(const History& history) {
  Trial trial(small_options());
  history(trial);
  return trial.disk().operations();
}

/// All losses where they are few; where they are many, the cuts near both ends and random ones.
void for_each_loss(const SimulatedDisk& disk, std::uint64_t seed,
                   const std::function<void(const PowerLoss&)>& examine) {
  using Data = PowerLoss::Data;
  std::uint64_t examined = 0;
  const auto check = [&](const PowerLoss& loss) {
    try {
      examine(loss);
    } catch (const BrokenPromise& broken) {
      BOOST_FAIL("data " << static_cast<int>(loss.data) << ", bytes " << loss.bytes << " of "
                         << disk.unsynced_bytes() << ", names " << loss.names << ", seed "
                         << loss.seed << ": " << broken.what());
    }
    ++examined;
  };
  const std::uint64_t names = std::uint64_t{1} << std::min<std::uint64_t>(disk.unsynced_names(), 4);
  const std::uint64_t bytes = disk.unsynced_bytes();
  for (std::uint64_t mask = 0; mask < names; ++mask) {
    check({.data = Data::none, .names = mask});
    check({.data = Data::all, .names = mask});
    for (std::uint64_t i = 0; i < random_losses; ++i) {
      check({.data = Data::random, .names = mask, .seed = seed + i});
    }
    for (std::uint64_t kept = 0; kept < bytes; ++kept) {
      if (bytes > every_byte_max && kept > 4 && kept + 4 < bytes) continue;
      check({.data = Data::prefix, .bytes = kept, .full_length = false, .names = mask});
      check({.data = Data::prefix, .bytes = kept, .full_length = true, .names = mask});
    }
  }
  BOOST_TEST(examined >= names * (2 + random_losses));
}

/// Calls `check` with the history stopped after each of its operations, and none.
void for_each_stop(const History& history,
                   const std::function<void(Trial&, std::uint64_t stop)>& check) {
  const std::uint64_t operations = operations_of(history);
  for (std::uint64_t stop = 0; stop <= operations; ++stop) {
    BOOST_TEST_CONTEXT("stopped after operation " << stop << " of " << operations) {
      Trial trial(small_options(), stop);
      trial.disk().stop_after(stop);
      history(trial);
      check(trial, stop);
    }
  }
}

void every_loss_leaves_what_was_acknowledged(const History& history) {
  for_each_stop(history, [](Trial& trial, std::uint64_t stop) {
    // The hundreds of writes to a snapshot that has no name yet are much alike.
    const Step last = trial.disk().last_step();
    if (last.operation == Operation::write && last.file == "snapshot.new" && stop % 16 != 0) return;
    for_each_loss(trial.disk(), stop * 1000,
                  [&](const PowerLoss& loss) { trial.recovered(trial.disk().after(loss)); });
  });
}

/// Starts again after `loss`, with the power going once more after each operation of the start.
void a_second_loss_changes_nothing(const Trial& before, const PowerLoss& loss) {
  const Files files = before.disk().after(loss);
  const Reference held = before.recovered(files);
  for (std::uint64_t stop = 0;; ++stop) {
    Trial trial(small_options(), held, files);
    trial.disk().stop_after(stop);
    trial.start();
    for_each_loss(trial.disk(), stop,
                  [&](const PowerLoss& second) { trial.recovered(trial.disk().after(second)); });
    if (!trial.disk().stopped()) return;
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(crash)

BOOST_AUTO_TEST_CASE(batches_survive_every_loss_of_power) {
  every_loss_leaves_what_was_acknowledged(only_batches);
}

BOOST_AUTO_TEST_CASE(restarts_survive_every_loss_of_power) {
  every_loss_leaves_what_was_acknowledged(restarts);
}

BOOST_AUTO_TEST_CASE(a_full_disk_survives_every_loss_of_power) {
  every_loss_leaves_what_was_acknowledged(lack_of_room);
}

BOOST_AUTO_TEST_CASE(snapshots_survive_every_loss_of_power) {
  every_loss_leaves_what_was_acknowledged(snapshots);
}

BOOST_AUTO_TEST_CASE(a_loss_of_power_while_recovering_changes_nothing) {
  for_each_stop(restarts, [](Trial& trial, std::uint64_t stop) {
    using Data = PowerLoss::Data;
    if (stop % stride != 0) return;
    a_second_loss_changes_nothing(trial, {.data = Data::none});
    a_second_loss_changes_nothing(trial, {.data = Data::all, .names = ~std::uint64_t{0}});
    a_second_loss_changes_nothing(trial, {.data = Data::random, .names = stop, .seed = stop});
  });
}

BOOST_AUTO_TEST_CASE(what_a_restarted_process_shows_survives_the_power) {
  for (const History& history : {History(only_batches), History(restarts)}) {
    for_each_stop(history, [](Trial& trial, std::uint64_t stop) {
      trial.kill();
      BOOST_REQUIRE(trial.start());  // from the page cache, which holds more than the disk
      for_each_loss(trial.disk(), stop,
                    [&](const PowerLoss& loss) { trial.recovered(trial.disk().after(loss)); });
    });
  }
}

BOOST_AUTO_TEST_CASE(what_a_failed_sync_lost_is_never_shown_and_then_taken_back) {
  const std::uint64_t operations = operations_of(only_batches);
  for (std::uint64_t failing = 1; failing <= operations; ++failing) {
    Trial trial(small_options(), failing);
    trial.disk().on_step([&](const Step& step) {
      const bool fails = step.number == failing && (step.operation == Operation::sync ||
                                                    step.operation == Operation::sync_directory);
      return Fault{.error = fails ? EIO : 0};
    });
    only_batches(trial);
    trial.kill();
    BOOST_REQUIRE(trial.start());
    for_each_loss(trial.disk(), failing,
                  [&](const PowerLoss& loss) { trial.recovered(trial.disk().after(loss)); });
  }
}

BOOST_AUTO_TEST_SUITE_END()
