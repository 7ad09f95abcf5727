#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "loadcore/counter/care.hpp"
#include "simulated_disk.hpp"

namespace loadcore::counter::care_test {

using simulated::Files;
using simulated::SimulatedDisk;
using Counts = std::map<std::string, std::int64_t>;

inline constexpr std::int64_t begin_ms = 1'700'000'000'000;
inline constexpr CareOptions options{.now_ms = begin_ms + 1'000'000};

/// A data directory with a history, and what is true of it.
struct World {
  Files files;
  std::vector<Counts> frames;  ///< what frame i + 1 counts
  Counts truth;

  /// What the frames of the ranges count for each user.
  Counts counted_in(const std::vector<SequenceRange>& ranges) const;
};

struct History {
  std::uint64_t seed = 1;
  int frames = 40;
  int users = 25;
  std::vector<int> snapshots{};  ///< after so many frames
  std::vector<int> restarts{};   ///< likewise
};

/// Batches of plain and keyed likes for random users, one frame each, written by DurableLikes.
World make_world(const History& history);

/// What the service would start with; throws as it does.
Counts recovered(const Files& files);
/// The Idempotency-Keys of it, with their users and answers, in their order.
std::vector<std::string> recovered_keys(const Files& files);

std::unique_ptr<Disk> disk_of(const Files& files);
CheckReport checked(const Files& files);

/// The first user they differ in; empty where they do not.
std::string difference(const Counts& left, const Counts& right);

/// The only file, or the last one, whose name begins so.
std::string last_file(const Files& files, const std::string& prefix);

}  // namespace loadcore::counter::care_test
