#include "loadcore/counter/likes.hpp"

#include <cstring>
#include <limits>
#include <string>

#include "loadcore/base/assert.hpp"
#include "loadcore/base/random.hpp"

namespace loadcore::counter {
namespace {

/// 256 KB. Places are 32 bits: 17 for the chunk, 15 for the word in it.
constexpr std::size_t chunk_word_bits = 15;
constexpr std::size_t chunk_words = std::size_t{1} << chunk_word_bits;
constexpr std::size_t chunks_max = (std::size_t{1} << (32 - chunk_word_bits)) - 1;
constexpr std::size_t table_size_min = 16;

/// An entry is its total, then one byte of length and the id, up to a whole word.
constexpr std::size_t entry_words(std::size_t user_bytes) { return 1 + (1 + user_bytes + 7) / 8; }

const char* text_of(const std::uint64_t* entry) noexcept {
  return reinterpret_cast<const char*>(entry + 1);
}

bool is_of(const std::uint64_t* entry, std::string_view user) noexcept {
  const char* const text = text_of(entry);
  return static_cast<unsigned char>(text[0]) == user.size() &&
         std::memcmp(text + 1, user.data(), user.size()) == 0;
}

}  // namespace

Likes::Likes(const LikesOptions& options)
    : users_max_(options.users_max),
      hash_key_(options.hash_key.value_or(HashKey{base::random_number(), base::random_number()})),
      hash_(hash_key_.low, hash_key_.high),
      shards_(shard_count) {}

/// Where the user's reference is, or else where it would go.
std::size_t Likes::Shard::find(std::string_view user, std::uint32_t hash) const noexcept {
  const std::size_t mask = table.size() - 1;
  std::size_t at = hash & mask;
  while (table[at].place != 0 && !(table[at].hash == hash && is_of(entry(table[at].place), user))) {
    at = (at + 1) & mask;
  }
  return at;
}

std::uint64_t* Likes::Shard::entry(std::uint32_t place) const noexcept {
  return chunks[(place >> chunk_word_bits) - 1].get() + (place & (chunk_words - 1));
}

std::uint32_t Likes::Shard::append(std::string_view user) {
  const std::size_t words = entry_words(user.size());
  if (chunks.empty() || words_used + words > chunk_words) {
    LOADCORE_ASSERT(chunks.size() < chunks_max);
    // Not zeroed: a page costs memory only once it is written to.
    chunks.push_back(std::make_unique_for_overwrite<std::uint64_t[]>(chunk_words));
    words_used = 0;
  }
  const auto place = static_cast<std::uint32_t>(chunks.size() << chunk_word_bits | words_used);
  words_used += words;
  std::uint64_t* const made = entry(place);
  made[0] = 0;
  auto* const text = reinterpret_cast<char*>(made + 1);
  text[0] = static_cast<char>(user.size());
  std::memcpy(text + 1, user.data(), user.size());
  return place;
}

/// Keeps a quarter of the table free, which keeps searches short.
void Likes::Shard::grow() {
  if (4 * (users + 1) <= 3 * table.size()) return;
  std::vector<Reference> larger(table.empty() ? table_size_min : 2 * table.size());
  const std::size_t mask = larger.size() - 1;
  for (const Reference& reference : table) {
    if (reference.place == 0) continue;
    std::size_t at = reference.hash & mask;
    while (larger[at].place != 0) at = (at + 1) & mask;
    larger[at] = reference;
  }
  table = std::move(larger);
}

bool Likes::reserve_user() noexcept {
  if (users_.fetch_add(1, std::memory_order_relaxed) < users_max_) return true;
  users_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void Likes::add(std::span<Addition> batch) {
  for (Addition& addition : batch) add_one(addition);
}

void Likes::add_one(Addition& addition) {
  LOADCORE_ASSERT(!addition.user.empty() && addition.user.size() <= user_bytes_max &&
                  addition.likes > 0);
  const std::uint64_t hash = hash_(addition.user);
  Shard& shard = shards_[shard_of(hash)];
  const auto table_hash = static_cast<std::uint32_t>(hash);
  const std::lock_guard lock(shard.mutex);
  shard.grow();
  Reference& reference = shard.table[shard.find(addition.user, table_hash)];
  if (reference.place == 0) {
    if (!reserve_user()) {
      addition.outcome = Outcome::full;
      addition.total = 0;
      return;
    }
    reference = {table_hash, shard.append(addition.user)};
    ++shard.users;
  }
  std::uint64_t& total = shard.entry(reference.place)[0];
  const auto likes = static_cast<std::uint64_t>(addition.likes);
  const bool fits =
      likes <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) - total;
  if (fits) {
    total += likes;
    shard.likes += likes;
  }
  addition.outcome = fits ? Outcome::counted : Outcome::overflow;
  addition.total = static_cast<std::int64_t>(total);
}

std::optional<std::int64_t> Likes::find(std::string_view user) const {
  const std::uint64_t hash = hash_(user);
  const Shard& shard = shards_[shard_of(hash)];
  const std::lock_guard lock(shard.mutex);
  if (shard.table.empty()) return std::nullopt;
  const Reference& reference = shard.table[shard.find(user, static_cast<std::uint32_t>(hash))];
  if (reference.place == 0) return std::nullopt;
  return static_cast<std::int64_t>(shard.entry(reference.place)[0]);
}

std::int64_t Likes::get(std::string_view user) const { return find(user).value_or(0); }

void Likes::read_shard(
    std::uint32_t shard,
    const std::function<void(std::string_view user, std::int64_t total)>& look) const {
  // A copy, so that `look` may ask another store, or this one, without a lock in its way.
  std::string copy;
  {
    const Shard& read = shards_[shard];
    const std::lock_guard lock(read.mutex);
    for (const Reference& reference : read.table) {
      if (reference.place == 0) continue;
      const std::uint64_t* const entry = read.entry(reference.place);
      const char* const text = text_of(entry);
      copy.append(reinterpret_cast<const char*>(entry), sizeof *entry);
      copy.append(text, 1 + static_cast<unsigned char>(text[0]));
    }
  }
  for (const char* at = copy.data(); at != copy.data() + copy.size();) {
    std::int64_t total = 0;
    std::memcpy(&total, at, sizeof total);
    const char* const text = at + sizeof total;
    const std::string_view user(text + 1, static_cast<unsigned char>(text[0]));
    look(user, total);
    at = user.data() + user.size();
  }
}

StoreStats Likes::stats() const {
  StoreStats stats;
  for (const Shard& shard : shards_) {
    const std::lock_guard lock(shard.mutex);
    stats.users += shard.users;
    stats.likes += shard.likes;
  }
  return stats;
}

}  // namespace loadcore::counter
