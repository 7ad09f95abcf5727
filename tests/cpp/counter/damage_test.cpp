// A data directory with something wrong in it: recovery refuses, naming file and offset, or finds
// exactly what was acknowledged.
//
// One thing cannot be told from a loss of power, where the process did not stop by itself: the end
// of the last segment. Its last frame, if a bit of it flips, looks like one that was being written
// and of which nobody had been told; and a last segment cut short looks like one that was never
// longer. A process that stops by itself closes its segment, and from then on every damage shows.

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <string>
#include <vector>

#include "counter/codec.hpp"
#include "counter/crc32c.hpp"
#include "counter/frame.hpp"
#include "counter/log_files.hpp"
#include "counter/recovery.hpp"
#include "loadcore/base/error.hpp"
#include "trial.hpp"

using loadcore::base::RunError;
using loadcore::counter::crc32c;
using loadcore::counter::DamageError;
using loadcore::counter::DurableLikes;
using loadcore::counter::DurableOptions;
using loadcore::counter::FrameHeader;
using loadcore::counter::KeyWindowOptions;
using loadcore::counter::number_at;
using loadcore::counter::put;
using loadcore::counter::recover;
using loadcore::counter::Recovered;
using loadcore::counter::segment_name;
using loadcore::counter::SegmentHeader;
using loadcore::counter::snapshot_name;
using loadcore::counter::simulated::Batch;
using loadcore::counter::simulated::Files;
using loadcore::counter::simulated::Reference;
using loadcore::counter::simulated::SimulatedDisk;
using loadcore::counter::simulated::Trial;

namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::size_t step = 7;
#else
constexpr std::size_t step = 1;
#endif

DurableOptions options() {
  DurableOptions options;
  options.keys_max = 5;
  return options;
}

KeyWindowOptions window() { return {options().key_age_ms_max, options().keys_max}; }

/// A directory, and what it held after each batch since the last snapshot.
struct Written {
  Files files;
  std::vector<Reference> history;
  std::int64_t now_ms = 0;

  const Reference& end() const { return history.back(); }
};

/// Two snapshots, log before, between and behind them: files of every kind.
Written written(bool stopped) {
  Trial trial(options());
  BOOST_REQUIRE(trial.start());
  Written result;
  const auto add = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      trial.add({{.user = "user" + std::to_string(i % 5)},
                 {.user = "other", .key = "key" + std::to_string(i)}});
      trial.pass(5);
      result.history.push_back(trial.sure());
    }
  };
  add(0, 4);
  BOOST_REQUIRE(trial.take_snapshot());
  add(4, 7);
  BOOST_REQUIRE(trial.take_snapshot());
  result.history.erase(result.history.begin(), result.history.end() - 1);
  add(7, 12);
  stopped ? trial.stop() : trial.kill();
  result.files = trial.disk().files();
  result.now_ms = trial.now_ms();
  return result;
}

/// What is wrong with how `damaged` is taken; empty if it is refused, or one of `allowed` found.
std::string taken_wrongly(const Files& damaged, const std::string& file, std::size_t upto,
                          const Written& before, std::size_t batches_lost_max = 0) {
  SimulatedDisk disk(damaged);
  try {
    const Recovered found = recover(*disk.open(), window());
    std::string difference;
    for (std::size_t lost = 0; lost <= batches_lost_max; ++lost) {
      const Reference& allowed = before.history[before.history.size() - 1 - lost];
      difference = allowed.difference(found, before.now_ms);
      if (difference.empty()) return {};
    }
    return difference;
  } catch (const DamageError& error) {
    const std::string sentence = error.what();
    // Cut off between two frames, it is the next segment that does not fit.
    if (sentence.find(" are missing)") != std::string::npos) return {};
    if (error.damage().file != file || error.damage().offset > upto) return sentence;
    const bool named = sentence.find(file) != std::string::npos &&
                       sentence.find(std::to_string(error.damage().offset)) != std::string::npos &&
                       sentence.find("loadcore likes repair") != std::string::npos;
    return named ? std::string() : sentence;
  }
}

/// Where the last frame of a segment begins.
std::size_t last_frame_of(const std::string& segment) {
  std::size_t at = SegmentHeader::bytes;
  while (true) {
    const std::size_t next =
        at + FrameHeader::bytes +
        FrameHeader::decode(std::string_view(segment).substr(at)).payload_bytes;
    if (next >= segment.size()) return at;
    at = next;
  }
}

void flip_every_byte(
    const Written& before,
    const std::function<std::size_t(const std::string& file, std::size_t at)>& batches_lost_max) {
  Files files = before.files;
  std::size_t flips = 0;
  for (auto& [name, content] : files) {
    for (std::size_t at = 0; at < content.size(); at += step, ++flips) {
      const char was = content[at];
      content[at] = static_cast<char>(was ^ (1 << (at % 8)));
      const std::string wrong = taken_wrongly(files, name, at, before, batches_lost_max(name, at));
      if (!wrong.empty()) BOOST_ERROR(name << ", byte " << at << " flipped: " << wrong);
      content[at] = was;
    }
  }
  BOOST_TEST(flips > 10'000 / step);
}

void cut_at_every_length(
    const Written& before,
    const std::function<std::size_t(const std::string& file, std::size_t at)>& batches_lost_max) {
  std::size_t cuts = 0;
  for (const auto& [name, content] : before.files) {
    Files files = before.files;
    for (std::size_t size = 0; size < content.size(); size += step, ++cuts) {
      files[name] = content.substr(0, size);
      const std::string wrong =
          taken_wrongly(files, name, size, before, batches_lost_max(name, size));
      if (!wrong.empty()) BOOST_ERROR(name << " cut to " << size << " bytes: " << wrong);
    }
  }
  BOOST_TEST(cuts > 10'000 / step);
}

/// The store does not start, says `part` of a sentence, and changes nothing.
void require_refused(const Files& files, const std::string& part) {
  SimulatedDisk disk(files);
  try {
    const DurableLikes store(disk.open(), options());
    BOOST_ERROR("a store started in spite of: " << part);
  } catch (const RunError& error) {
    BOOST_TEST(std::string(error.what()).find(part) != std::string::npos, error.what());
  }
  BOOST_TEST((disk.files() == files));
  BOOST_TEST(disk.operations() == 0U);
}

std::string with_version(std::string file, std::uint32_t version) {
  std::string number;
  put(number, version);
  file.replace(16, 4, number);
  std::string checksum;
  put(checksum, crc32c(std::string_view(file).substr(0, SegmentHeader::bytes - 4)));
  return file.replace(SegmentHeader::bytes - 4, 4, checksum);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(damage)

BOOST_AUTO_TEST_CASE(a_flip_anywhere_is_noticed_after_a_clean_stop) {
  flip_every_byte(written(true), [](const std::string&, std::size_t) { return 0; });
}

BOOST_AUTO_TEST_CASE(a_file_cut_short_is_noticed_after_a_clean_stop) {
  cut_at_every_length(written(true), [](const std::string&, std::size_t) { return 0; });
}

BOOST_AUTO_TEST_CASE(after_a_crash_a_flip_in_the_last_frame_looks_like_a_torn_one) {
  const Written before = written(false);
  const std::string last = segment_name(8);
  const std::size_t last_frame = last_frame_of(before.files.at(last));
  flip_every_byte(before, [&](const std::string& file, std::size_t at) {
    return file == last && at >= last_frame ? 1 : 0;
  });
}

BOOST_AUTO_TEST_CASE(after_a_crash_a_last_segment_cut_short_looks_like_one_never_longer) {
  const Written before = written(false);
  cut_at_every_length(before, [&](const std::string& file, std::size_t at) {
    return file == segment_name(8) && at >= SegmentHeader::bytes ? before.history.size() - 1 : 0;
  });
}

BOOST_AUTO_TEST_CASE(a_file_that_is_missing_is_noticed_or_not_needed) {
  const Written before = written(true);
  std::vector<std::string> refused;
  for (const auto& [name, content] : before.files) {
    Files files = before.files;
    files.erase(name);
    SimulatedDisk disk(files);
    try {
      const std::string difference =
          before.end().difference(recover(*disk.open(), window()), before.now_ms);
      BOOST_TEST(difference.empty(), name << " missing: " << difference);
    } catch (const DamageError&) {
      refused.push_back(name);
    }
  }
  // Of the rest, some are there to recount from, and the empty last segment holds nothing.
  BOOST_TEST(before.files.size() == 5U);
  BOOST_TEST(refused == std::vector<std::string>{segment_name(8)},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(without_its_newest_snapshot_the_log_is_read_from_the_one_before) {
  Written before = written(true);
  BOOST_REQUIRE(before.files.erase(snapshot_name(7)) == 1U);
  SimulatedDisk disk(before.files);
  const Recovered found = recover(*disk.open(), window());
  BOOST_TEST(*found.snapshot == 4U);
  BOOST_TEST(before.end().difference(found, before.now_ms).empty());

  Files without = before.files;
  without.erase(segment_name(5));
  require_refused(without, "the log behind it, from frame 5 on, is missing");
  without = before.files;
  without.erase(snapshot_name(4));
  require_refused(without, "the frames from 1 are missing");
}

BOOST_AUTO_TEST_CASE(a_newer_version_is_left_alone) {
  const Written before = written(true);
  for (const std::string& name : {segment_name(8), segment_name(13), snapshot_name(7)}) {
    Files files = before.files;
    files[name] = with_version(files.at(name), 2);
    require_refused(files, name + " was written by a newer version of loadcore");
  }
}

BOOST_AUTO_TEST_CASE(a_damaged_directory_stays_as_it_is) {
  const Written before = written(true);
  for (const std::string& name : {segment_name(8), snapshot_name(7)}) {
    Files files = before.files;
    files[name][100] ^= 1;
    require_refused(files, name + " is damaged at byte ");
  }
}

BOOST_AUTO_TEST_CASE(files_of_others_and_leftovers_are_no_log) {
  const Written before = written(true);
  Files files = before.files;
  for (const char* const name :
       {"notes.txt", "log-1", "log-0000000000000000000x", "log-99999999999999999999",
        "log-00000000000000000001.bak", "snapshot-", "snapshot-0000000000000000001"}) {
    files[name] = "something else";
  }
  files["log.new"] = "half a head";
  files["snapshot.new"] = "half a snapshot";
  SimulatedDisk disk(files);
  {
    const DurableLikes store(disk.open(), options());
    for (const auto& [user, total] : before.end().totals()) BOOST_TEST(store.get(user) == total);
  }
  BOOST_TEST(disk.files().at("notes.txt") == "something else");
  BOOST_TEST(!disk.files().contains("snapshot.new"));
}

BOOST_AUTO_TEST_CASE(a_frame_of_another_segment_is_none_here) {
  // As blocks reused by a file system would bring it: same sequence, right place, another salt.
  const Written one = written(false);
  const Written other = written(false);
  const std::string name = segment_name(8);
  Files files = one.files;
  const std::size_t frame = last_frame_of(files.at(name));
  files[name] = files.at(name).substr(0, frame) + other.files.at(name).substr(frame);
  SimulatedDisk disk(files);
  const Recovered found = recover(*disk.open(), window());
  BOOST_TEST(found.next_sequence == 12U);
  BOOST_TEST(found.end->torn_bytes > 0U);
}

BOOST_AUTO_TEST_SUITE_END()
