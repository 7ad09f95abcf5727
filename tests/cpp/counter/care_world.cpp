#include "care_world.hpp"

#include <algorithm>
#include <random>
#include <set>

#include "counter/care_files.hpp"
#include "counter/recovery.hpp"
#include "loadcore/base/assert.hpp"
#include "loadcore/counter/durable_likes.hpp"

namespace loadcore::counter::care_test {
namespace {

struct Like {
  std::string user;
  std::int64_t likes = 1;
  std::string key{};
};

std::vector<Like> random_batch(std::mt19937_64& random, int users, int frame) {
  std::vector<Like> batch(1 + random() % 5);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    batch[i].user = "user-" + std::to_string(random() % static_cast<unsigned>(users));
    if (random() % 3 == 0) {
      batch[i].key = "key-" + std::to_string(frame) + "-" + std::to_string(i);
    } else {
      batch[i].likes = static_cast<std::int64_t>(1 + random() % 1000);
    }
  }
  return batch;
}

}  // namespace

Counts World::counted_in(const std::vector<SequenceRange>& ranges) const {
  Counts counts;
  for (const SequenceRange& range : ranges) {
    for (std::uint64_t i = range.first; i <= std::min<std::uint64_t>(range.last, frames.size());
         ++i) {
      for (const auto& [user, likes] : frames[i - 1]) counts[user] += likes;
    }
  }
  return counts;
}

World make_world(const History& history) {
  World world;
  SimulatedDisk disk;
  std::mt19937_64 random(history.seed);
  std::int64_t now_ms = begin_ms;
  DurableOptions durable;
  durable.clock_ms = [&now_ms] { return now_ms; };
  auto store = std::make_unique<DurableLikes>(disk.open(), durable);
  const auto has = [](const std::vector<int>& at, int frame) {
    return std::find(at.begin(), at.end(), frame) != at.end();
  };
  for (int frame = 1; frame <= history.frames; ++frame) {
    now_ms += 1000;
    const std::vector<Like> batch = random_batch(random, history.users, frame);
    std::vector<Addition> additions;
    Counts& counts = world.frames.emplace_back();
    for (const Like& like : batch) {
      additions.push_back({.user = like.user, .likes = like.likes, .key = like.key});
      counts[like.user] += like.likes;
      world.truth[like.user] += like.likes;
    }
    store->add(additions);
    for (const Addition& addition : additions) {
      LOADCORE_ASSERT(addition.outcome == Outcome::counted);
    }
    if (has(history.snapshots, frame)) LOADCORE_ASSERT(store->take_snapshot());
    if (has(history.restarts, frame)) {
      store.reset();
      store = std::make_unique<DurableLikes>(disk.open(), durable);
    }
  }
  store.reset();
  world.files = disk.files();
  return world;
}

std::unique_ptr<Disk> disk_of(const Files& files) { return SimulatedDisk(files).open(); }

Counts recovered(const Files& files) {
  const Recovered state = recover(*disk_of(files), care_keys(options));
  Counts counts;
  for (std::uint32_t shard = 0; shard < Likes::shard_count; ++shard) {
    state.likes->read_shard(shard, [&](std::string_view user, std::int64_t total) {
      counts[std::string(user)] = total;
    });
  }
  return counts;
}

std::vector<std::string> recovered_keys(const Files& files) {
  const Recovered state = recover(*disk_of(files), care_keys(options));
  std::vector<std::string> keys;
  state.keys->read(state.keys->begin(), state.keys->size(), [&](const KeyWindow::Record& key) {
    keys.push_back(std::string(key.key) + " " + std::string(key.user) + " " +
                   std::to_string(key.total));
  });
  return keys;
}

CheckReport checked(const Files& files) { return check_directory(*disk_of(files), options); }

std::string difference(const Counts& left, const Counts& right) {
  for (const auto& [user, total] : left) {
    const auto other = right.find(user);
    const std::int64_t count = other == right.end() ? 0 : other->second;
    if (count != total) return user + ": " + std::to_string(total) + ", " + std::to_string(count);
  }
  for (const auto& [user, total] : right) {
    if (!left.contains(user)) return user + ": none, " + std::to_string(total);
  }
  return {};
}

std::string last_file(const Files& files, const std::string& prefix) {
  std::string found;
  for (const auto& [name, content] : files) {
    if (name.starts_with(prefix)) found = name;
  }
  LOADCORE_ASSERT(!found.empty());
  return found;
}

}  // namespace loadcore::counter::care_test
