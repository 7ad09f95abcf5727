// The real directory. Its sentences reach the user as they are.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "loadcore/base/error.hpp"
#include "loadcore/counter/disk.hpp"
#include "loadcore/counter/durable_likes.hpp"

using loadcore::base::RunError;
using loadcore::counter::Addition;
using loadcore::counter::Disk;
using loadcore::counter::DiskUse;
using loadcore::counter::DurableLikes;
using loadcore::counter::DurableOptions;
using loadcore::counter::IoResult;
using loadcore::counter::open_disk;

namespace fs = std::filesystem;

namespace {

/// A new directory, removed in the end.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "loadcore-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Scratch() {
    std::error_code unknown;
    fs::remove_all(path_, unknown);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

std::string refusal(const std::string& path, DiskUse use) {
  try {
    open_disk(path, use);
  } catch (const RunError& error) {
    return error.what();
  }
  return "not refused";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::map<std::string, std::string> contents(const std::string& path) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    std::ifstream in(entry.path());
    files[entry.path().filename()] = {std::istreambuf_iterator<char>(in), {}};
  }
  return files;
}

/// Runs `child` in another process; whether it returned true.
template <typename Child>
bool in_another_process(Child child) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(child() ? 0 : 1);
  int status = 0;
  return pid > 0 && ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(posix_disk)

BOOST_AUTO_TEST_CASE(files_are_written_read_cut_renamed_and_removed) {
  const Scratch scratch;
  const auto disk = open_disk(scratch.path(), DiskUse::serve);
  BOOST_TEST(disk->describe() == scratch.path());
  BOOST_TEST(disk->list().empty());
  auto made = disk->create("b");
  BOOST_REQUIRE(made.error == 0);
  BOOST_TEST(made.file->write_at(2, "cde").bytes == 3U);
  BOOST_TEST(made.file->write_at(0, "ab").bytes == 2U);
  BOOST_TEST(made.file->sync() == 0);
  BOOST_TEST(made.file->size() == 5U);
  char bytes[8] = {};
  const IoResult got = made.file->read_at(1, bytes, sizeof bytes);
  BOOST_TEST(got.error == 0);
  BOOST_TEST(std::string(bytes, got.bytes) == "bcde");
  BOOST_TEST(made.file->read_at(9, bytes, sizeof bytes).bytes == 0U);
  BOOST_TEST(made.file->truncate(2) == 0);
  BOOST_TEST(made.file->size() == 2U);

  BOOST_REQUIRE(disk->create("a").error == 0);
  BOOST_TEST(disk->list() == (std::vector<std::string>{"a", "b"}),
             boost::test_tools::per_element());
  BOOST_TEST(disk->rename("b", "a") == 0);
  BOOST_TEST(disk->sync_directory() == 0);
  auto opened = disk->open_to_read("a");
  BOOST_REQUIRE(opened.error == 0);
  BOOST_TEST(opened.file->size() == 2U);
  BOOST_TEST(opened.file->write_at(0, "x").error == EBADF);
  opened = disk->open_to_change("a");
  BOOST_TEST(opened.file->write_at(0, "x").error == 0);
  BOOST_TEST(disk->create("a").file->size() == 0U);
  BOOST_TEST(disk->remove("a") == 0);
  BOOST_TEST(disk->remove("a") == ENOENT);
  BOOST_TEST(disk->rename("a", "b") == ENOENT);
  BOOST_TEST(disk->open_to_read("a").error == ENOENT);
  BOOST_TEST(disk->open_to_change("a").error == ENOENT);
}

BOOST_AUTO_TEST_CASE(lists_only_files_and_not_its_own_lock) {
  const Scratch scratch;
  const auto disk = open_disk(scratch.path(), DiskUse::serve);
  fs::create_directory(scratch / "log-00000000000000000001");
  fs::create_symlink("/etc/passwd", scratch / "log-00000000000000000002");
  std::ofstream(scratch / "log-00000000000000000003") << "x";
  BOOST_TEST(disk->list() == std::vector<std::string>{"log-00000000000000000003"},
             boost::test_tools::per_element());
  BOOST_TEST(disk->open_to_read("log-00000000000000000002").error == ELOOP);
}

BOOST_AUTO_TEST_CASE(a_file_in_its_place_is_refused) {
  const Scratch scratch;
  std::ofstream(scratch / "data") << "mine";
  for (const DiskUse use : {DiskUse::serve, DiskUse::care}) {
    BOOST_TEST(refusal(scratch / "data", use) ==
               "the data directory " + scratch / "data" + " is a file: name a directory");
  }
  BOOST_TEST(contains(refusal(scratch / "data/below", DiskUse::serve), "cannot be made"));
  BOOST_TEST(contents(scratch.path()) == (std::map<std::string, std::string>{{"data", "mine"}}));
}

BOOST_AUTO_TEST_CASE(a_missing_one_is_made_to_serve_and_missed_by_care) {
  const Scratch scratch;
  BOOST_TEST(refusal(scratch / "a/b/c", DiskUse::care) ==
             "the data directory " + scratch / "a/b/c" + " does not exist: check its name");
  BOOST_TEST(!fs::exists(scratch / "a"));
  BOOST_TEST(open_disk(scratch / "a/b/c", DiskUse::serve)->list().empty());
  BOOST_TEST(fs::is_directory(scratch / "a/b/c"));
  BOOST_TEST(open_disk(scratch / "d/", DiskUse::serve)->list().empty());
}

BOOST_AUTO_TEST_CASE(one_process_at_a_time) {
  const Scratch scratch;
  const std::string expected = "the data directory " + scratch.path() +
                               " is in use by another process: stop that one first, or choose "
                               "another directory";
  {
    const auto disk = open_disk(scratch.path(), DiskUse::serve);
    BOOST_TEST(
        in_another_process([&] { return refusal(scratch.path(), DiskUse::serve) == expected; }));
    BOOST_TEST(
        in_another_process([&] { return refusal(scratch.path(), DiskUse::care) == expected; }));
    BOOST_TEST(refusal(scratch.path(), DiskUse::serve) == expected);  // nor twice in one
  }
  BOOST_TEST(
      in_another_process([&] { return open_disk(scratch.path(), DiskUse::care) != nullptr; }));
  // A process that was killed holds nothing any more.
  const pid_t pid = ::fork();
  if (pid == 0) {
    const auto disk = open_disk(scratch.path(), DiskUse::serve);
    ::raise(SIGKILL);
  }
  int status = 0;
  BOOST_REQUIRE(::waitpid(pid, &status, 0) == pid);
  BOOST_TEST(WIFSIGNALED(status));
  BOOST_TEST((open_disk(scratch.path(), DiskUse::serve) != nullptr));
}

BOOST_AUTO_TEST_CASE(a_directory_that_cannot_be_written_is_refused) {
  const Scratch scratch;
  fs::permissions(scratch.path(), fs::perms(0555));
  // Root may write anywhere; somebody else may not.
  const bool refused = in_another_process([&] {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return false;
    return contains(refusal(scratch.path(), DiskUse::serve), " cannot be written to (") &&
           contains(refusal(scratch / "below", DiskUse::serve), " cannot be made (");
  });
  BOOST_TEST(refused);
  fs::permissions(scratch.path(), fs::perms(0755));
  BOOST_TEST(contents(scratch.path()).empty());
}

BOOST_AUTO_TEST_CASE(a_directory_that_cannot_be_read_is_refused) {
  const Scratch scratch;
  fs::permissions(scratch.path(), fs::perms(0333));
  const bool refused = in_another_process([&] {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return false;
    return contains(refusal(scratch.path(), DiskUse::serve), " cannot be opened (");
  });
  fs::permissions(scratch.path(), fs::perms(0755));
  BOOST_TEST(refused);
}

BOOST_AUTO_TEST_CASE(a_relative_path_stays_where_it_was) {
  const Scratch scratch;
  const fs::path before = fs::current_path();
  fs::current_path(scratch.path());
  const auto disk = open_disk("data", DiskUse::serve);
  fs::current_path(before);
  BOOST_REQUIRE(disk->create("a").error == 0);
  BOOST_TEST(disk->list() == std::vector<std::string>{"a"}, boost::test_tools::per_element());
  BOOST_TEST(fs::exists(scratch / "data/a"));
}

BOOST_AUTO_TEST_CASE(a_store_on_it_survives_its_process) {
  const Scratch scratch;
  DurableOptions options;
  const auto add = [](DurableLikes& store, int times) {
    for (int i = 0; i < times; ++i) {
      Addition addition{.user = "alice", .key = i == 0 ? "first" : ""};
      store.add({&addition, 1});
    }
    return store.get("alice");
  };
  const pid_t pid = ::fork();
  if (pid == 0) {
    DurableLikes store(open_disk(scratch / "data", DiskUse::serve), options);
    ::_exit(add(store, 100) == 100 && store.take_snapshot() && add(store, 50) == 149 ? 0 : 1);
  }
  int status = 0;
  BOOST_REQUIRE(::waitpid(pid, &status, 0) == pid);
  BOOST_REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  DurableLikes store(open_disk(scratch / "data", DiskUse::serve), options);
  BOOST_TEST(store.get("alice") == 149);
  BOOST_TEST(store.durable_stats().recovered_frames == 49U);
  BOOST_TEST(add(store, 1) == 149);  // the key is known
}

BOOST_AUTO_TEST_SUITE_END()
