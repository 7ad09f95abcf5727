// How long a start takes, and how much memory: users with ids of 24 bytes are written as a snapshot
// and the log behind it, and read back by a process that has done nothing else.
//
//   build/release/tests/bench_recovery [USERS [DIRECTORY]]
//
// makes DIRECTORY (build/recovery without it) and removes it again; ten million users take 700 MB
// there. The files are in the page cache when they are read.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "loadcore/base/clock.hpp"
#include "loadcore/counter/durable_likes.hpp"

using loadcore::counter::Addition;
using loadcore::counter::DiskUse;
using loadcore::counter::Durability;
using loadcore::counter::DurableLikes;
using loadcore::counter::DurableOptions;
using loadcore::counter::open_disk;
using loadcore::counter::Outcome;

namespace {

constexpr std::size_t user_bytes = 24;
constexpr std::uint64_t batch_size = 10'000;

DurableOptions options(std::uint64_t users) {
  DurableOptions options;
  options.durability = Durability::os;
  options.users_max = users;
  options.snapshot_log_bytes = UINT64_MAX;  // when it is told to
  return options;
}

/// One like each for `count` users, in an order that is not that of their numbers.
bool add(DurableLikes& store, std::uint64_t users, std::uint64_t count) {
  std::vector<std::string> names(batch_size);
  std::vector<Addition> batch(batch_size);
  for (std::uint64_t done = 0; done < count; done += batch_size) {
    for (std::uint64_t i = 0; i < batch_size; ++i) {
      const std::string number = std::to_string((done + i) * 7'368'787 % users);
      names[i] = "user-";
      names[i].append(user_bytes - names[i].size() - number.size(), '0').append(number);
      batch[i] = {.user = names[i]};
    }
    store.add(batch);
    const auto counted = [](const Addition& one) { return one.outcome == Outcome::counted; };
    if (!std::all_of(batch.begin(), batch.end(), counted)) return false;
  }
  return true;
}

bool write(const std::string& directory, std::uint64_t users) {
  DurableLikes store(open_disk(directory, DiskUse::serve), options(users));
  return add(store, users, users) && store.take_snapshot() && add(store, users, users / 10);
}

std::uint64_t peak_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

bool read(const std::string& directory, std::uint64_t users) {
  const std::uint64_t before = peak_bytes();
  const auto begin = loadcore::base::now();
  const DurableLikes store(open_disk(directory, DiskUse::serve), options(users));
  const auto took = loadcore::base::now() - begin;
  const std::uint64_t bytes = peak_bytes() - before;
  const auto stats = store.stats();
  std::printf("%llu users and %llu frames behind the snapshot in %.2f s, %.1f bytes a user\n",
              static_cast<unsigned long long>(stats.users),
              static_cast<unsigned long long>(store.durable_stats().recovered_frames),
              std::chrono::duration<double>(took).count(),
              static_cast<double>(bytes) / static_cast<double>(users));
  return stats.users == users && stats.likes == users + users / 10;
}

/// In a process of its own, so that this one's memory is still what it was.
bool write_elsewhere(const std::string& directory, std::uint64_t users) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    try {
      std::_Exit(write(directory, users) ? 0 : 1);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      std::_Exit(1);
    }
  }
  int status = 0;
  return pid > 0 && ::waitpid(pid, &status, 0) == pid && status == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t asked = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000'000;
  const std::uint64_t users = std::max(10 * batch_size, asked / batch_size * batch_size);
  const std::string directory = argc > 2 ? argv[2] : "build/recovery";
  if (std::filesystem::exists(directory)) {
    std::fprintf(stderr, "%s is there already: name a directory that is not\n", directory.c_str());
    return 2;
  }
  bool sound = false;
  try {
    sound = write_elsewhere(directory, users) && read(directory, users);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  std::filesystem::remove_all(directory);
  return sound ? 0 : 1;
}
