#include <boost/test/unit_test.hpp>
#include <memory>
#include <sstream>
#include <utility>

#include "care_world.hpp"
#include "counter/care_files.hpp"
#include "counter/recovery.hpp"
#include "counter/snapshot.hpp"
#include "loadcore/base/error.hpp"
#include "loadcore/counter/durable_likes.hpp"

using namespace loadcore::counter;
using namespace loadcore::counter::care_test;
using simulated::PowerLoss;

namespace {

std::string exported(const Files& files, LikesFormat format) {
  LikesExport reader(disk_of(files), format);
  std::string text;
  for (std::string_view piece = reader.next(); !piece.empty(); piece = reader.next()) text += piece;
  return text;
}

/// Imports into a directory that is not there, or into `files`.
ImportReport import_text(SimulatedDisk& disk, bool there, std::string_view text,
                         std::size_t piece_bytes = 64) {
  LikesImport importing(there ? disk.open() : nullptr, options);
  for (; !text.empty(); text.remove_prefix(std::min(text.size(), piece_bytes))) {
    importing.take(text.substr(0, piece_bytes));
  }
  return importing.finish([&disk] { return disk.open(); });
}

Counts imported(std::string_view text) {
  SimulatedDisk disk;
  import_text(disk, false, text);
  return recovered(disk.files());
}

/// "line N: sentence" of what is refused.
std::string refusal(std::string_view text, const Files& files = {}) {
  SimulatedDisk disk(files);
  try {
    import_text(disk, !files.empty(), text);
  } catch (const loadcore::base::PlanError& error) {
    BOOST_TEST((disk.files() == files));
    return error.field() + ": " + error.what();
  }
  return "nothing";
}

std::string field_of(std::string_view text) {
  const std::string said = refusal(text);
  return said.substr(0, said.find(':'));
}

AuditReport audited(const Files& files) { return audit_directory(*disk_of(files), options); }

/// `files` with the newest snapshot's total of one user, or answer of one key, changed, and every
/// checksum right.
class Forger final : public SnapshotVisitor {
 public:
  Forger(Disk& disk, std::string user, std::string key)
      : writer_(disk), user_(std::move(user)), key_(std::move(key)) {}

  void header(const SnapshotHeader& header) override { BOOST_TEST(writer_.begin(header) == 0); }
  void shard(std::uint32_t shard, std::uint64_t sequence) override {
    BOOST_TEST(writer_.begin_shard(shard, sequence) == 0);
  }
  void user(std::string_view user, std::int64_t total) override {
    BOOST_TEST(writer_.user(user, total + (user == user_ ? 1 : 0)) == 0);
  }
  void key(const KeyWindow::Record& record) override {
    KeyWindow::Record changed = record;
    if (record.key == key_) ++changed.total;
    BOOST_TEST(writer_.key(changed) == 0);
  }
  void totals(const SnapshotTotals& totals) override { totals_ = totals; }
  void finish(std::uint64_t sequence) {
    BOOST_TEST(writer_.finish(totals_.keys_sequence, sequence) == 0);
  }

 private:
  SnapshotWriter writer_;
  const std::string user_;
  const std::string key_;
  SnapshotTotals totals_;
};

Files forged(const Files& files, const std::string& user, const std::string& key) {
  SimulatedDisk disk(files);
  const auto open = disk.open();
  const std::string name = last_file(files, "snapshot-");
  Forger forger(*open, user, key);
  BOOST_TEST(!read_snapshot(*open, name, forger));
  forger.finish(*sequence_of_snapshot(name));
  return disk.files();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(care_audit)

BOOST_AUTO_TEST_CASE(what_the_service_wrote_agrees) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const int first = static_cast<int>(2 + seed);
    const World world =
        make_world({.seed = seed, .snapshots = {first, 20, 30}, .restarts = {first + 1, 25}});
    const AuditReport report = audited(world.files);
    BOOST_TEST(report.recounted);
    BOOST_TEST(report.differences == 0U);
    BOOST_TEST(*report.base == snapshot_name(20));
    BOOST_TEST(*report.newest == snapshot_name(30));
    BOOST_TEST(report.first_sequence == 21U);
    BOOST_TEST(report.last_sequence == 40U);
    BOOST_TEST(report.frames == 20U);
    BOOST_TEST(report.totals.users == world.truth.size());
  }
}

BOOST_AUTO_TEST_CASE(from_the_first_frame_where_it_is_there) {
  const AuditReport report = audited(make_world({.snapshots = {20}}).files);
  BOOST_TEST(report.recounted);
  BOOST_TEST(!report.base);
  BOOST_TEST(report.first_sequence == 1U);
  BOOST_TEST(report.frames == 40U);
  BOOST_TEST(report.differences == 0U);
}

BOOST_AUTO_TEST_CASE(a_wrong_total_and_a_wrong_answer_are_found) {
  const World world = make_world({.snapshots = {15, 30}});
  const std::string user = world.truth.begin()->first;
  const std::string key = recovered_keys(world.files).front();
  const AuditReport report = audited(forged(world.files, user, key.substr(0, key.find(' '))));
  BOOST_TEST(report.recounted);
  BOOST_TEST_REQUIRE(report.differences == 2U);
  const std::string right = std::to_string(world.truth.at(user));
  BOOST_TEST(report.first_differences[0].what == "user " + user);
  BOOST_TEST(report.first_differences[0].kept == std::to_string(world.truth.at(user) + 1));
  BOOST_TEST(report.first_differences[0].recounted == right);
  BOOST_TEST(report.first_differences[1].what == "key " + key.substr(0, key.find(' ')));
}

BOOST_AUTO_TEST_CASE(without_a_second_way_it_says_so) {
  BOOST_TEST(!audited(make_world({}).files).recounted);
  Files files = make_world({.snapshots = {10, 20}}).files;
  files.erase(snapshot_name(10));
  const AuditReport report = audited(files);
  BOOST_TEST(!report.recounted);
  BOOST_TEST(report.why_not == "no older snapshot with the log behind it is there");
}

BOOST_AUTO_TEST_CASE(damage_is_refused) {
  const World world = make_world({.snapshots = {15, 30}});
  for (const std::string& name : {snapshot_name(15), snapshot_name(30), segment_name(16)}) {
    Files files = world.files;
    files[name][90] ^= 1;
    BOOST_CHECK_THROW(audited(files), DamageError);
  }
}

BOOST_AUTO_TEST_CASE(keys_that_made_room_are_no_difference) {
  SimulatedDisk disk;
  DurableOptions few;
  few.keys_max = 5;
  few.clock_ms = [] { return begin_ms; };
  {
    DurableLikes store(disk.open(), few);
    for (int i = 0; i < 30; ++i) {
      const std::string key = "key-" + std::to_string(i);
      Addition addition{.user = "alice", .key = key};
      store.add({&addition, 1});
      if (i % 10 == 9) BOOST_TEST(store.take_snapshot());
    }
  }
  const AuditReport report = audited(disk.files());
  BOOST_TEST(report.recounted);
  BOOST_TEST(report.differences == 0U);
  BOOST_TEST(report.keys_older == 10U);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(care_transfer)

BOOST_AUTO_TEST_CASE(export_and_import_give_the_same_counts) {
  const World world = make_world({.users = 300, .snapshots = {25}});
  for (const LikesFormat format : {LikesFormat::csv, LikesFormat::json_lines}) {
    const std::string text = exported(world.files, format);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{100'000}}) {
      SimulatedDisk disk;
      const ImportReport report = import_text(disk, false, text, piece);
      BOOST_TEST(difference(recovered(disk.files()), world.truth) == "");
      BOOST_TEST(report.users == world.truth.size());
      BOOST_TEST(report.totals.likes == report.likes);
      BOOST_TEST(checked(disk.files()).broken.empty());
    }
  }
}

BOOST_AUTO_TEST_CASE(lines_look_as_documented) {
  SimulatedDisk disk;
  import_text(disk, false, "userId,likes\nalice,42\n");
  BOOST_TEST(exported(disk.files(), LikesFormat::csv) == "userId,likes\nalice,42\n");
  BOOST_TEST(exported(disk.files(), LikesFormat::json_lines) ==
             "{\"userId\": \"alice\", \"likes\": 42}\n");
}

BOOST_AUTO_TEST_CASE(what_other_programs_write_is_read) {
  const Counts both{{"alice", 42}, {"b~o.b-_", 9223372036854775807}};
  for (const char* text : {
           "userId,likes\nalice,42\nb~o.b-_,9223372036854775807\n",
           "userId,likes\r\nalice,42\r\nb~o.b-_,9223372036854775807",
           "\xef\xbb\xbfuserId,likes\n\"alice\",\"42\"\n\n\"b~o.b-_\",9223372036854775807\n",
           "{\"userId\": \"alice\", \"likes\": 42}\n"
           "{\"likes\":9223372036854775807,\"userId\":\"b~o.b-_\"}\n",
           " {\"userId\":\t\"alice\" , \"likes\": 42 } \r\n"
           "{\"userId\": \"b~o.b-_\", \"likes\": 9223372036854775807}",
       }) {
    BOOST_TEST(difference(imported(text), both) == "");
  }
  BOOST_TEST(difference(imported("userId,likes\nalice,1\nalice,2\n"), {{"alice", 3}}) == "");
}

BOOST_AUTO_TEST_CASE(a_bad_line_is_named_and_nothing_counts) {
  const std::string head = "userId,likes\nalice,1\n";
  for (const char* line :
       {"bob", "bob,", "bob,0", "bob,-1", "bob,+1", "bob,1.0", "bob,1,", "bob,9223372036854775808",
        ",1", "b ob,1", "b/ob,1", "\"bob,1", "\"bob\"1,1", "userId,likes", "bob;1", "bob, 1",
        "bob,1 ", "{\"userId\": \"bob\", \"likes\": 1}"}) {
    BOOST_TEST_CONTEXT(line) { BOOST_TEST(field_of(head + line + "\ncarol,1\n") == "line 3"); }
  }
  const std::string json = "{\"userId\": \"alice\", \"likes\": 1}\n";
  for (const char* line :
       {"bob,1", "{}", "{\"userId\": \"bob\"}", "{\"likes\": 1}",
        "{\"userId\": \"bob\", \"likes\": 1", "{\"userId\": \"bob\", \"likes\": \"1\"}",
        "{\"userId\": \"b\\u006fb\", \"likes\": 1}", "{\"userId\": \"bob\", \"likes\": 1} x",
        "{\"userId\": \"bob\", \"likes\": 1, \"at\": 2}",
        "{\"userId\": \"bob\", \"userId\": \"bob\", \"likes\": 1}", "[\"bob\", 1]",
        "{\"userId\": \"bob\", \"likes\": 1,}", "{userId: \"bob\", \"likes\": 1}",
        "{\"userId\": \"bob\" \"likes\": 1}", "{\"userId\" \"bob\", \"likes\": 1}"}) {
    BOOST_TEST_CONTEXT(line) { BOOST_TEST(field_of(json + line + "\n") == "line 2"); }
  }
  BOOST_TEST(field_of("alice,1\n") == "line 1");
  BOOST_TEST(field_of(head + std::string(129, 'a') + ",1\n") == "line 3");
  BOOST_TEST(field_of(head + std::string(100'000, 'a')) == "line 3");
  BOOST_TEST(refusal(head + "alice,9223372036854775807\n") ==
             "line 3: with it alice would have more than 2^63 - 1 likes");
}

BOOST_AUTO_TEST_CASE(it_adds_to_what_is_there_and_keeps_keys) {
  World world = make_world({.snapshots = {20}});
  // Half a frame at the end, as a crash leaves it: neither in the way nor counted.
  world.files.erase(segment_name(41));
  world.files[segment_name(21)] += "half a frame";
  SimulatedDisk disk(world.files);
  const auto keys = recovered_keys(world.files);
  import_text(disk, true, "userId,likes\nuser-1,1000000\nnewcomer,1\n");
  Counts expected = world.truth;
  expected["user-1"] += 1'000'000;
  expected["newcomer"] = 1;
  BOOST_TEST(difference(recovered(disk.files()), expected) == "");
  BOOST_TEST(recovered_keys(disk.files()) == keys, boost::test_tools::per_element());
  BOOST_TEST(checked(disk.files()).broken.empty());
  BOOST_TEST(refusal("userId,likes\nnewcomer,9223372036854775807\n", disk.files()) ==
             "line 2: with it newcomer would have more than 2^63 - 1 likes");
}

BOOST_AUTO_TEST_CASE(an_audit_does_not_reach_across_an_import) {
  SimulatedDisk disk(make_world({.snapshots = {10, 20}}).files);
  import_text(disk, true, "userId,likes\nnewcomer,5\n");
  const AuditReport before = audited(disk.files());
  BOOST_TEST(!before.recounted);
  BOOST_TEST(before.why_not.starts_with("an import or a repair wrote snapshot-"));
  {
    DurableLikes store(disk.open(), {});
    Addition addition{.user = "newcomer"};
    store.add({&addition, 1});
    BOOST_TEST(addition.total == 6);
    BOOST_TEST(store.take_snapshot());
  }
  const AuditReport after = audited(disk.files());
  BOOST_TEST(after.recounted);
  BOOST_TEST(*after.base == snapshot_name(41));
  BOOST_TEST(after.differences == 0U);
}

BOOST_AUTO_TEST_CASE(an_import_whose_snapshot_is_damaged_is_never_called_complete) {
  for (const bool fresh : {true, false}) {
    World world = fresh ? World{} : make_world({.snapshots = {10, 20}});
    SimulatedDisk disk(world.files);
    import_text(disk, !fresh, "userId,likes\nuser-1,1000000\nnewcomer,1\n");
    const std::string name = last_file(disk.files(), "snapshot-");
    const std::string sound = disk.files().at(name);
    for (std::size_t at = 0; at < sound.size(); at += 61) {
      Files files = disk.files();
      files[name][at] ^= 1;
      BOOST_TEST_CONTEXT(name << " at byte " << at) {
        BOOST_CHECK_THROW(recovered(files), DamageError);
        BOOST_TEST(!checked(files).repair->exact());
      }
    }
    Files files = disk.files();
    files.erase(name);
    BOOST_CHECK_THROW(recovered(files), DamageError);
  }
}

BOOST_AUTO_TEST_CASE(imports_one_behind_the_other) {
  SimulatedDisk disk;
  for (int i = 1; i <= 4; ++i) {
    import_text(disk, i > 1, "userId,likes\nalice,10\n");
    BOOST_TEST(difference(recovered(disk.files()), {{"alice", 10 * i}}) == "");
    BOOST_TEST(checked(disk.files()).broken.empty());
  }
}

BOOST_AUTO_TEST_CASE(an_import_cut_off_anywhere_counts_all_or_nothing) {
  const World world = make_world({.snapshots = {10, 20}});
  const char* const text = "userId,likes\nuser-1,1000000\nnewcomer,1\n";
  Counts with = world.truth;
  with["user-1"] += 1'000'000;
  with["newcomer"] = 1;
  SimulatedDisk count(world.files);
  import_text(count, true, text);
  bool counted = false;
  for (std::uint64_t stop = 0; stop < count.operations(); ++stop) {
    SimulatedDisk disk(world.files);
    disk.stop_after(stop);
    BOOST_CHECK_THROW(import_text(disk, true, text), loadcore::base::RunError);
    for (const PowerLoss::Data data : {PowerLoss::Data::none, PowerLoss::Data::all}) {
      for (const std::uint64_t names : {std::uint64_t{0}, std::uint64_t{2}, ~std::uint64_t{0}}) {
        const Files left = disk.after({.data = data, .names = names, .seed = stop});
        BOOST_TEST_CONTEXT("after operation " << stop << ", names " << names) {
          const Counts now = recovered(left);
          const bool all = difference(now, with).empty();
          counted = counted || all;
          BOOST_TEST((all || difference(now, world.truth).empty()));
          BOOST_TEST(checked(left).broken.empty());
        }
      }
    }
  }
  BOOST_TEST(counted);
}

BOOST_AUTO_TEST_CASE(an_empty_text_changes_nothing) {
  const World world = make_world({});
  SimulatedDisk disk(world.files);
  BOOST_TEST(import_text(disk, true, "userId,likes\n").users == 0U);
  BOOST_TEST((disk.files() == world.files));
}

BOOST_AUTO_TEST_CASE(damage_is_not_exported_nor_added_to) {
  Files files = make_world({}).files;
  files[segment_name(1)][100] ^= 1;
  BOOST_CHECK_THROW(LikesExport(disk_of(files), LikesFormat::csv), DamageError);
  BOOST_CHECK_THROW(LikesImport(disk_of(files), options), DamageError);
  BOOST_CHECK_THROW(LikesExport(disk_of({}), LikesFormat::csv), loadcore::base::RunError);
}

BOOST_AUTO_TEST_SUITE_END()
