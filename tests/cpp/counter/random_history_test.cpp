// Random histories of likes, keys, snapshots, restarts, losses of power and faults of the disk,
// held against plain maps. LOADCORE_SEED replays one; LOADCORE_HISTORIES says how many to try.

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

#include "trial.hpp"

using loadcore::counter::DurableOptions;
using loadcore::counter::simulated::Batch;
using loadcore::counter::simulated::BrokenPromise;
using loadcore::counter::simulated::Fault;
using loadcore::counter::simulated::numbered;
using loadcore::counter::simulated::Operation;
using loadcore::counter::simulated::PowerLoss;
using loadcore::counter::simulated::Step;
using loadcore::counter::simulated::Trial;

namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t histories = 100;
#else
constexpr std::uint64_t histories = 600;
#endif

/// What happened over all histories, so that a test that no longer tries anything is noticed.
struct Tally {
  std::uint64_t batches = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t faults = 0;
  std::uint64_t losses = 0;
  std::uint64_t starts_refused = 0;
};

class RandomHistory {
 public:
  RandomHistory(std::uint64_t seed, Tally& tally)
      : random_(seed), options_(random_options()), trial_(options_, seed), tally_(tally) {}

  void run() {
    begin_process();
    const std::uint64_t acts = 10 + below(50);
    for (std::uint64_t i = 0; i < acts; ++i) act();
    trial_.stop();
    begin_process();
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  bool one_in(std::uint64_t times) { return below(times) == 0; }

  DurableOptions random_options() {
    DurableOptions options;
    options.users_max = 3 + below(20);
    options.keys_max = 1 + below(12);
    options.key_age_ms_max = static_cast<std::int64_t>(50 + below(2000));
    return options;
  }

  void act() {
    switch (below(12)) {
      case 0:
        trial_.stop();
        return begin_process();
      case 1:
        trial_.kill();
        return begin_process();
      case 2:
        ++tally_.losses;
        trial_.lose_power(random_loss());
        return begin_process();
      case 3:
        trial_.pass(one_in(4) ? -30 : static_cast<std::int64_t>(below(1500)));
        return;
      case 4:
        return snapshot();
      case 5:
        return faulty_spell();
      default:
        return add();
    }
  }

  /// A start may fail while the disk does, but not on a sound disk.
  void begin_process() {
    if (one_in(6)) {
      fail_one_in(4);
      if (!trial_.start()) {
        ++tally_.starts_refused;
        one_in(2) ? trial_.kill() : trial_.lose_power(random_loss());
      }
      trial_.disk().on_step(nullptr);
    }
    if (trial_.store() == nullptr && !trial_.start()) throw BrokenPromise("a start was refused");
  }

  PowerLoss random_loss() {
    using Data = PowerLoss::Data;
    PowerLoss loss;
    loss.data = Data{static_cast<std::uint8_t>(below(4))};
    loss.bytes = below(trial_.disk().unsynced_bytes() + 1);
    loss.full_length = one_in(2);
    loss.names = random_();
    loss.seed = random_();
    return loss;
  }

  std::string user() { return numbered("user", below(24)); }

  Batch random_batch() {
    Batch batch(1 + below(one_in(20) ? 400 : 6));
    for (auto& like : batch) {
      like.user = one_in(3) ? "hot" : user();
      if (one_in(30)) like.user = std::string(128, 'x');
      if (one_in(2)) {
        // A key belongs to a user most of the time.
        const std::uint64_t number = below(15);
        if (!one_in(10)) like.user = numbered("user", number % 7);
        like.key = numbered("key", number);
      } else {
        like.likes = one_in(40) ? INT64_MAX - static_cast<std::int64_t>(below(3))
                                : static_cast<std::int64_t>(1 + below(1000));
      }
    }
    return batch;
  }

  void add() {
    ++tally_.batches;
    trial_.add(random_batch());
    trial_.pass(static_cast<std::int64_t>(below(20)));
  }

  void snapshot() {
    const std::uint64_t gap = 1 + below(200);
    trial_.disk().on_step([this, gap](const Step& step) {
      if (step.operation == Operation::write && step.file == "snapshot.new" && one_in(gap)) add();
      return Fault{};
    });
    if (trial_.take_snapshot()) ++tally_.snapshots;
    trial_.disk().on_step(nullptr);
  }

  void faulty_spell() {
    fail_one_in(3 + below(20));
    for (std::uint64_t i = below(8); i > 0; --i) add();
    if (one_in(3) && trial_.take_snapshot()) ++tally_.snapshots;
    trial_.disk().on_step(nullptr);
  }

  void fail_one_in(std::uint64_t times) {
    const bool room = one_in(2);
    trial_.disk().on_step([this, times, room](const Step& step) {
      // Snapshots make hundreds of writes; with a fault in each, none would ever be finished.
      if (!one_in(step.file == "snapshot.new" ? 50 * times : times)) return Fault{};
      ++tally_.faults;
      Fault fault;
      if (step.operation == Operation::write) {
        fault.bytes_max = below(step.bytes + 1);
        if (one_in(2)) fault.error = room ? EIO : ENOSPC;
      } else if (step.operation == Operation::create || step.operation == Operation::rename) {
        fault.error = room ? EIO : ENOSPC;
      } else {
        fault.error = EIO;
      }
      return fault;
    });
  }

  std::mt19937_64 random_;
  DurableOptions options_;
  Trial trial_;
  Tally& tally_;
};

std::uint64_t number_in(const char* variable, std::uint64_t otherwise) {
  const char* const given = std::getenv(variable);
  return given != nullptr ? std::stoull(given) : otherwise;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(random_histories)

BOOST_AUTO_TEST_CASE(nothing_acknowledged_is_lost_and_nothing_counted_twice) {
  const bool replaying = std::getenv("LOADCORE_SEED") != nullptr;
  const std::uint64_t first = number_in("LOADCORE_SEED", 1);
  const std::uint64_t count = replaying ? 1 : number_in("LOADCORE_HISTORIES", histories);
  Tally tally;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    try {
      RandomHistory(seed, tally).run();
    } catch (const BrokenPromise& broken) {
      BOOST_FAIL("LOADCORE_SEED=" << seed << ": " << broken.what());
    }
  }
  BOOST_TEST_MESSAGE(tally.batches << " batches, " << tally.snapshots << " snapshots, "
                                   << tally.faults << " faults, " << tally.losses
                                   << " losses of power, " << tally.starts_refused
                                   << " starts refused");
  if (replaying) return;
  BOOST_TEST(tally.batches > 10 * count);
  BOOST_TEST(tally.snapshots > count / 2);
  BOOST_TEST(tally.faults > count);
  BOOST_TEST(tally.losses > count);
  BOOST_TEST(tally.starts_refused > count / 20);
}

BOOST_AUTO_TEST_SUITE_END()
