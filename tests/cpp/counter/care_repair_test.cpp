#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <random>
#include <set>

#include "care_world.hpp"
#include "counter/care_salvage.hpp"
#include "counter/log_files.hpp"
#include "counter/recovery.hpp"
#include "counter/snapshot.hpp"
#include "loadcore/base/error.hpp"
#include "loadcore/counter/durable_likes.hpp"

using namespace loadcore::counter;
using namespace loadcore::counter::care_test;
using simulated::PowerLoss;

namespace {

/// Two snapshots with the log between and behind them, and a restart in each part of it.
World usual_world(std::uint64_t seed = 1) {
  return make_world({.seed = seed, .snapshots = {10, 25}, .restarts = {5, 18, 32}});
}

struct Repaired {
  RepairReport report;
  Files files;
};
Repaired repaired(const Files& files) {
  SimulatedDisk disk(files);
  Repaired result{repair_directory(*disk.open(), options, false), {}};
  result.files = disk.files();
  return result;
}

/// Nothing that repair did not know of is missing, nothing is there twice, and a service goes on.
void expect_sound_repair(const World& world, const Repaired& repair) {
  const Kept& kept = *repair.report.found.repair;
  const Counts lost = world.counted_in(kept.missing);
  const Counts now = recovered(repair.files);
  std::uint64_t short_of = 0;
  for (const auto& [user, total] : world.truth) {
    const std::int64_t left = now.contains(user) ? now.at(user) : 0;
    const std::int64_t missing = lost.contains(user) ? lost.at(user) : 0;
    BOOST_TEST(left <= total);
    BOOST_TEST(left >= total - missing);
    if (now.contains(user) && left < total) ++short_of;
  }
  for (const auto& [user, total] : now) BOOST_TEST(world.truth.contains(user));
  BOOST_TEST(short_of <= kept.users_short);
  if (kept.exact()) {
    BOOST_TEST(difference(now, world.truth) == "");
    BOOST_TEST(recovered_keys(repair.files) == recovered_keys(world.files),
               boost::test_tools::per_element());
  }
  const CheckReport after = checked(repair.files);
  BOOST_TEST(after.broken.empty());
  BOOST_TEST(after.totals->likes == kept.totals.likes);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(care_repair)

BOOST_AUTO_TEST_CASE(a_sound_directory_is_left_alone) {
  const World world = usual_world();
  const CheckReport report = checked(world.files);
  BOOST_TEST(report.broken.empty());
  BOOST_TEST(!report.repair);
  BOOST_TEST(report.totals->users == world.truth.size());
  BOOST_TEST(report.snapshots.size() == 2U);
  const Repaired repair = repaired(world.files);
  BOOST_TEST(!repair.report.snapshot);
  BOOST_TEST((repair.files == world.files));
}

BOOST_AUTO_TEST_CASE(salvage_of_a_sound_directory_is_what_recovery_gives) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const World world = make_world({.seed = seed, .snapshots = {int(seed), 20}, .restarts = {15}});
    const auto disk = disk_of(world.files);
    const Salvaged salvaged = salvage(*disk, care_keys(options), inspect(*disk));
    BOOST_TEST(salvaged.kept.exact());
    BOOST_TEST(salvaged.likes->users() == world.truth.size());
    for (const auto& [user, total] : world.truth) BOOST_TEST(salvaged.likes->get(user) == total);
    BOOST_TEST(salvaged.keys->size() == recovered_keys(world.files).size());
  }
}

BOOST_AUTO_TEST_CASE(a_byte_changed_anywhere_is_noticed_and_repaired) {
  const World world = usual_world();
  std::mt19937_64 random(7);
  for (const auto& [name, content] : world.files) {
    // Snapshots are mostly empty shards, one like the other; the log is tried at every fifth byte.
    const std::size_t step = name.starts_with("log-") ? 5 : 211;
    for (std::size_t at = random() % step; at < content.size(); at += step) {
      Files files = world.files;
      files[name][at] = static_cast<char>(files[name][at] ^ (1 + random() % 255));
      BOOST_TEST_CONTEXT(name << " at byte " << at) {
        const Repaired repair = repaired(files);
        BOOST_TEST_REQUIRE(repair.report.snapshot.has_value());
        const Broken& broken = repair.report.found.broken.front();
        BOOST_TEST(broken.file == name);
        BOOST_TEST(broken.offset <= at);
        expect_sound_repair(world, repair);
        BOOST_TEST(repair.files.at("damaged-" + name) == files.at(name));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(several_places_at_once) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const World world = usual_world(seed);
    std::mt19937_64 random(seed);
    Files files = world.files;
    for (int place = 0; place < 4; ++place) {
      auto file = std::next(files.begin(), static_cast<std::ptrdiff_t>(random() % files.size()));
      std::string& content = file->second;
      const std::size_t at = random() % content.size();
      switch (random() % 4) {
        case 0:
          content.resize(at);
          break;
        case 1:
          content.erase(at, 1 + random() % 30);
          break;
        default:
          for (std::size_t i = at; i < std::min(content.size(), at + 1 + random() % 200); ++i) {
            content[i] = static_cast<char>(random());
          }
      }
      if (content.empty()) break;
    }
    BOOST_TEST_CONTEXT("seed " << seed) { expect_sound_repair(world, repaired(files)); }
  }
}

BOOST_AUTO_TEST_CASE(a_damaged_newest_snapshot_costs_nothing_while_the_one_before_is_there) {
  const World world = usual_world();
  Files files = world.files;
  std::string& snapshot = files[last_file(files, "snapshot-")];
  snapshot.resize(snapshot.size() / 2);
  BOOST_CHECK_THROW(recovered(files), DamageError);
  const Repaired repair = repaired(files);
  BOOST_TEST(repair.report.found.repair->exact());
  BOOST_TEST(!repair.report.found.totals);
  expect_sound_repair(world, repair);
}

BOOST_AUTO_TEST_CASE(a_damaged_old_snapshot_does_not_keep_the_service_from_starting) {
  const World world = usual_world();
  Files files = world.files;
  files.begin()->second[70] ^= 1;
  std::string old;
  for (const auto& [name, content] : files) {
    if (name.starts_with("snapshot-")) {
      old = name;
      break;
    }
  }
  files = world.files;
  files[old][100] ^= 1;
  const CheckReport report = checked(files);
  BOOST_TEST_REQUIRE(report.broken.size() == 1U);
  BOOST_TEST(report.broken.front().file == old);
  BOOST_TEST(report.totals.has_value());
  BOOST_TEST(report.repair->exact());
}

BOOST_AUTO_TEST_CASE(without_any_snapshot_the_log_from_its_first_frame_is_enough) {
  const World world = make_world({.snapshots = {12}});
  Files files = world.files;
  std::string& snapshot = files[last_file(files, "snapshot-")];
  snapshot.assign(snapshot.size(), '\0');
  const Repaired repair = repaired(files);
  BOOST_TEST(repair.report.found.repair->exact());
  BOOST_TEST(repair.report.found.repair->snapshots.empty());
  expect_sound_repair(world, repair);
}

BOOST_AUTO_TEST_CASE(a_lost_frame_is_named_and_nothing_but_its_counts_is_missing) {
  const World world = make_world({.restarts = {20}});
  Files files = world.files;
  const std::string name = segment_name(1);
  std::vector<std::uint64_t> offsets;
  scan_segment(*disk_of(files), name, false, [&](const LoggedFrame& frame) {
    offsets.push_back(frame.offset);
    return std::string();
  });
  files[name][offsets[6] + 30] ^= 4;
  const Repaired repair = repaired(files);
  const Kept& kept = *repair.report.found.repair;
  BOOST_TEST_REQUIRE(kept.missing.size() == 1U);
  BOOST_TEST(kept.missing.front().first == 7U);
  BOOST_TEST(kept.missing.front().last == 7U);
  BOOST_TEST(kept.frames_missing == 1U);
  Counts expected = world.truth;
  for (const auto& [user, likes] : world.frames[6]) {
    if ((expected[user] -= likes) == 0) expected.erase(user);
  }
  BOOST_TEST(difference(recovered(repair.files), expected) == "");
}

BOOST_AUTO_TEST_CASE(a_frame_lost_before_the_snapshot_is_not_missed) {
  const World world = usual_world();
  Files files = world.files;
  // Frames 11 to 25 lie between the two snapshots, in the segments that begin with 11 and 19.
  files[segment_name(11)][100] ^= 1;
  const Repaired repair = repaired(files);
  BOOST_TEST(repair.report.found.totals.has_value());
  BOOST_TEST(repair.report.found.repair->exact());
  expect_sound_repair(world, repair);
}

BOOST_AUTO_TEST_CASE(a_lost_header_costs_no_frame) {
  const World world = make_world({.restarts = {20}});
  Files files = world.files;
  files[segment_name(1)].replace(0, SegmentHeader::bytes, SegmentHeader::bytes, '\xEE');
  const Repaired repair = repaired(files);
  BOOST_TEST(repair.report.found.repair->frames == world.frames.size());
  BOOST_TEST(repair.report.found.repair->exact());
  expect_sound_repair(world, repair);
}

BOOST_AUTO_TEST_CASE(a_lost_segment_is_named) {
  const World world = make_world({.restarts = {10, 20}});
  Files files = world.files;
  files.erase(segment_name(11));
  const CheckReport report = checked(files);
  BOOST_TEST_REQUIRE(report.broken.size() == 1U);
  BOOST_TEST(report.broken.front().what ==
             "it begins with frame 21, and the frames from 11 are missing");
  BOOST_TEST(report.repair->frames_missing == 10U);
  expect_sound_repair(world, repaired(files));
}

BOOST_AUTO_TEST_CASE(whole_blocks_of_a_damaged_snapshot_make_up_for_lost_frames) {
  const World world = usual_world();
  Files files = world.files;
  // A frame between the snapshots, and one block of the newer one: no more than a shard is short.
  files[segment_name(11)][100] ^= 1;
  std::string& snapshot = files[last_file(files, "snapshot-")];
  snapshot[SnapshotHeader::bytes + 10] ^= 1;
  const Repaired repair = repaired(files);
  const Kept& kept = *repair.report.found.repair;
  BOOST_TEST(kept.snapshots.size() == 2U);
  BOOST_TEST(!kept.exact());
  BOOST_TEST(kept.users_short <= 3U);
  expect_sound_repair(world, repair);
}

BOOST_AUTO_TEST_CASE(users_of_a_lost_block_are_counted) {
  // No older snapshot, no older log: what a block had is gone.
  const World world = make_world({.frames = 40, .users = 400, .snapshots = {30, 31}});
  Files files = world.files;
  files.erase(snapshot_name(30));
  std::erase_if(
      files, [](const auto& file) { return sequence_of_segment(file.first).value_or(99) <= 31; });
  BOOST_TEST(difference(recovered(files), world.truth) == "");
  std::string& snapshot = files[snapshot_name(31)];
  snapshot.replace(SnapshotHeader::bytes, 1500, 1500, '\0');
  const Repaired repair = repaired(files);
  const Kept& kept = *repair.report.found.repair;
  const Counts now = recovered(repair.files);
  BOOST_TEST(!kept.exact());
  std::uint64_t gone = 0;
  for (const auto& [user, total] : world.truth) gone += now.contains(user) ? 0 : 1;
  BOOST_TEST(gone > 0U);
  BOOST_TEST_REQUIRE(kept.users_gone_max.has_value());
  BOOST_TEST(gone <= *kept.users_gone_max);
  expect_sound_repair(world, repair);
}

BOOST_AUTO_TEST_CASE(a_gap_within_a_shard_of_many_blocks) {
  // One shard for all: 30,000 users fill several blocks, of which the first or one in the middle
  // goes. The snapshot before has them all, and the log between the two is lost.
  SimulatedDisk disk;
  const auto keeper = disk.open();
  World world;
  world.frames.resize(9);
  const auto write = [&](std::uint64_t sequence, std::int64_t more) {
    SnapshotWriter writer(*keeper);
    SnapshotHeader header;
    header.salt = sequence;
    header.created_unix_ms = begin_ms;
    int error = writer.begin(header) + writer.begin_shard(0, sequence);
    for (int i = 0; i < 30'000; ++i) {
      const std::string user = "somebody-" + std::to_string(i);
      error += writer.user(user, i + more);
      world.truth[user] = i + more;
      world.frames[sequence == 5 ? 0 : 5][user] = sequence == 5 ? i + more : 1;
    }
    BOOST_TEST(error + writer.finish(sequence, sequence) == 0);
  };
  write(5, 1);
  write(9, 2);
  begin_segment(*keeper, 10, begin_ms);
  world.files = disk.files();
  BOOST_TEST(difference(recovered(world.files), world.truth) == "");

  for (const std::size_t at : {std::size_t{100}, std::size_t{300 * 1024}}) {
    Files files = world.files;
    files[snapshot_name(9)][at] ^= 1;
    const Repaired repair = repaired(files);
    const Kept& kept = *repair.report.found.repair;
    BOOST_TEST(kept.snapshots.size() == 2U);
    BOOST_TEST(kept.totals.users == 30'000U);
    BOOST_TEST(kept.users_short > 0U);
    BOOST_TEST(kept.users_short < 20'000U);
    expect_sound_repair(world, repair);

    files.erase(snapshot_name(5));
    const Repaired alone = repaired(files);
    const Kept& rest = *alone.report.found.repair;
    BOOST_TEST(rest.totals.users == 30'000U - kept.users_short);
    BOOST_TEST(*rest.users_gone_max == kept.users_short);
    expect_sound_repair(world, alone);
  }
}

BOOST_AUTO_TEST_CASE(a_torn_end_is_no_damage) {
  World world = make_world({.frames = 5});
  Files& files = world.files;
  files.erase(segment_name(6));  // what a clean end leaves behind the last frame
  files[segment_name(1)].resize(files[segment_name(1)].size() - 3);
  const CheckReport report = checked(files);
  BOOST_TEST(report.broken.empty());
  BOOST_TEST(report.segments.back().frames == 4U);
  BOOST_TEST(report.segments.back().torn_bytes > 3U);
}

BOOST_AUTO_TEST_CASE(a_dry_run_changes_nothing) {
  const World world = usual_world();
  Files files = world.files;
  files[segment_name(26)][100] ^= 1;
  SimulatedDisk disk(files);
  const RepairReport would = repair_directory(*disk.open(), options, true);
  BOOST_TEST((disk.files() == files));
  const RepairReport did = repair_directory(*disk.open(), options, false);
  BOOST_TEST(*would.snapshot == *did.snapshot);
  BOOST_TEST((would.renamed == did.renamed));
  BOOST_TEST(disk.files().size() == files.size() + 2);
}

BOOST_AUTO_TEST_CASE(a_service_goes_on_after_a_repair) {
  const World world = usual_world();
  Files files = world.files;
  files[last_file(files, "snapshot-")][80] ^= 1;
  SimulatedDisk disk(files);
  repair_directory(*disk.open(), options, false);
  for (int round = 0; round < 3; ++round) {
    DurableLikes store(disk.open(), {});
    Addition addition{.user = "afterwards"};
    store.add({&addition, 1});
    BOOST_TEST(addition.total == round + 1);
    BOOST_TEST(store.take_snapshot());
  }
  const auto keeper = disk.open();
  BOOST_TEST(check_directory(*keeper, options).broken.empty());
  const AuditReport audit = audit_directory(*keeper, options);
  BOOST_TEST(audit.recounted);
  BOOST_TEST(audit.differences == 0U);
}

BOOST_AUTO_TEST_CASE(a_second_repair_keeps_the_files_of_the_first) {
  Files files = usual_world().files;
  files[last_file(files, "snapshot-")][80] ^= 1;
  Files once = repaired(files).files;
  const std::string name = last_file(once, "snapshot-");
  once["damaged-" + name] = "from elsewhere";
  once[name][80] ^= 1;
  const Files twice = repaired(once).files;
  BOOST_TEST(twice.at("damaged-" + name) == "from elsewhere");
  BOOST_TEST(twice.contains("damaged-" + name + ".2"));
}

/// Power goes after each operation of a repair: what is there is refused or repaired, never wrong,
/// and a second repair keeps as much as the first would have.
BOOST_AUTO_TEST_CASE(a_repair_cut_off_anywhere_loses_nothing_more) {
  const World world = usual_world();
  Files files = world.files;
  files[segment_name(26)][100] ^= 1;
  const Repaired whole = repaired(files);
  const Counts expected = recovered(whole.files);
  SimulatedDisk count(files);
  repair_directory(*count.open(), options, false);
  const std::uint64_t operations = count.operations();
  BOOST_TEST_REQUIRE(operations > 10U);
  for (std::uint64_t stop = 0; stop < operations; ++stop) {
    SimulatedDisk disk(files);
    disk.stop_after(stop);
    BOOST_CHECK_THROW(repair_directory(*disk.open(), options, false), loadcore::base::RunError);
    for (const PowerLoss::Data data : {PowerLoss::Data::none, PowerLoss::Data::all}) {
      for (std::uint64_t names : {std::uint64_t{0}, std::uint64_t{0x5555}, ~std::uint64_t{0}}) {
        const Files left = disk.after({.data = data, .names = names, .seed = stop});
        BOOST_TEST_CONTEXT("after operation " << stop << ", names " << names) {
          try {
            BOOST_TEST(difference(recovered(left), expected) == "");
          } catch (const DamageError&) {
          }
          BOOST_TEST(difference(recovered(repaired(left).files), expected) == "");
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(no_room_leaves_everything_as_it_was) {
  const World world = usual_world();
  Files files = world.files;
  files[segment_name(26)][100] ^= 1;
  SimulatedDisk disk(files);
  disk.on_step([](const simulated::Step& step) {
    return simulated::Fault{.error = step.operation == simulated::Operation::write ? ENOSPC : 0};
  });
  BOOST_CHECK_THROW(repair_directory(*disk.open(), options, false), loadcore::base::RunError);
  BOOST_TEST((disk.files() == files));
}

BOOST_AUTO_TEST_CASE(nothing_there_is_not_a_data_directory) {
  BOOST_CHECK_THROW(checked({}), loadcore::base::RunError);
  BOOST_CHECK_THROW(checked({{"notes.txt", "hello"}}), loadcore::base::RunError);
}

BOOST_AUTO_TEST_CASE(stopped_reading_is_an_error) {
  const World world = usual_world();
  int asked = 0;
  const auto disk = interruptible(disk_of(world.files), [&asked] { return ++asked > 3; });
  BOOST_CHECK_THROW(check_directory(*disk, options), loadcore::base::RunError);
  BOOST_TEST(asked == 4);
}

BOOST_AUTO_TEST_CASE(sequences_against_a_set) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 200; ++round) {
    Sequences sequences;
    std::set<std::uint64_t> plain;
    for (std::size_t i = random() % 40; i > 0; --i) {
      const std::uint64_t sequence = 1 + random() % 30;
      BOOST_TEST(sequences.add(sequence) == plain.insert(sequence).second);
    }
    const std::uint64_t floor = random() % 30;
    const std::uint64_t last = random() % 40;
    std::vector<std::uint64_t> missing;
    for (const SequenceRange& range : sequences.missing(floor, last)) {
      BOOST_TEST(range.first <= range.last);
      for (std::uint64_t i = range.first; i <= range.last; ++i) missing.push_back(i);
    }
    std::vector<std::uint64_t> expected;
    for (std::uint64_t i = floor + 1; i <= last; ++i) {
      if (!plain.contains(i)) expected.push_back(i);
    }
    BOOST_TEST(missing == expected, boost::test_tools::per_element());
    BOOST_TEST(sequences.last() == (plain.empty() ? 0 : *plain.rbegin()));
  }
}

BOOST_AUTO_TEST_SUITE_END()
