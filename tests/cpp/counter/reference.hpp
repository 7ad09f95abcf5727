#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "counter/key_window.hpp"
#include "counter/recovery.hpp"
#include "loadcore/counter/durable_likes.hpp"
#include "loadcore/counter/likes.hpp"
#include "loadcore/counter/store.hpp"

namespace loadcore::counter::simulated {

/// An addition that owns its texts.
struct Like {
  std::string user;
  std::int64_t likes = 1;
  std::string key{};
};
using Batch = std::vector<Like>;

/// "user7", say.
inline std::string numbered(const char* text, std::uint64_t number) {
  return std::string(text).append(std::to_string(number));
}

/// `batch` as a store takes it; views into it.
std::vector<Addition> additions(const Batch& batch);

/// What a durable store has to answer and to hold, in plain maps. Copied to ask "what if".
class Reference {
 public:
  explicit Reference(const DurableOptions& options);

  /// Counts the batch: what the store must answer to each of its additions.
  std::vector<Addition> add(const Batch& batch, std::int64_t now_ms);

  std::int64_t total(const std::string& user) const;
  const std::map<std::string, std::int64_t>& totals() const { return totals_; }

  /// What differs in users, totals or keys; empty if nothing does.
  std::string difference(const Recovered& recovered, std::int64_t now_ms) const;

 private:
  struct Key {
    std::string key;
    std::string user;
    std::int64_t total = 0;
    std::int64_t unix_ms = 0;
  };
  const Key* find(const std::string& key, std::int64_t now_ms) const;
  void decide(Addition& addition, std::vector<Key>& made, std::int64_t now_ms);

  std::uint64_t users_max_;
  std::int64_t key_age_ms_max_;
  std::uint64_t keys_max_;
  std::map<std::string, std::int64_t> totals_;
  std::vector<Key> keys_;  // all there ever were, in order
  std::int64_t latest_ms_ = INT64_MIN / 2;
};

}  // namespace loadcore::counter::simulated
