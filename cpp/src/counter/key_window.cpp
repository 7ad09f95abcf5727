#include "counter/key_window.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "loadcore/base/assert.hpp"
#include "loadcore/base/random.hpp"

namespace loadcore::counter {
namespace {

constexpr std::size_t chunk_bytes = 256 * 1024;
constexpr std::size_t slots_min = 1024;

/// A record is its time and total, then key and user, each behind a byte of length. A zero length
/// of the key says that the chunk has no further record.
constexpr std::size_t fixed_bytes = 16;
constexpr std::size_t record_bytes(std::size_t key, std::size_t user) {
  return fixed_bytes + 2 + key + user;
}

std::size_t size_at(const char* at) noexcept { return static_cast<unsigned char>(*at); }

}  // namespace

KeyWindow::KeyWindow(const KeyWindowOptions& options)
    : options_(options), hash_{base::random_number(), base::random_number()}, slots_(slots_min) {
  LOADCORE_ASSERT(options_.keys_max > 0 && options_.age_ms_max >= 0);
}

const char* KeyWindow::at(Place place) const noexcept {
  return chunks_[(place - chunks_from_) / chunk_bytes].get() + place % chunk_bytes;
}

KeyWindow::Record KeyWindow::record(Place place) const noexcept {
  const char* bytes = at(place);
  Record record;
  std::memcpy(&record.unix_ms, bytes, 8);
  std::memcpy(&record.total, bytes + 8, 8);
  bytes += fixed_bytes;
  record.key = {bytes + 1, size_at(bytes)};
  bytes += 1 + record.key.size();
  record.user = {bytes + 1, size_at(bytes)};
  return record;
}

KeyWindow::Place KeyWindow::after(Place place) const noexcept {
  const Record read = record(place);
  return past_gap(place + record_bytes(read.key.size(), read.user.size()));
}

KeyWindow::Place KeyWindow::past_gap(Place place) const noexcept {
  if (place >= end_) return place;
  const std::size_t left = chunk_bytes - place % chunk_bytes;
  const bool gap = left < fixed_bytes + 1 || size_at(at(place) + fixed_bytes) == 0;
  return gap ? place + left : place;
}

std::size_t KeyWindow::slot_of(std::string_view key, std::uint64_t hash) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  while (slots_[slot].place_and_one != 0 &&
         !(slots_[slot].hash == hash && record(slots_[slot].place_and_one - 1).key == key)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

std::optional<KeyWindow::Answered> KeyWindow::find(std::string_view key,
                                                   std::int64_t now_ms) const noexcept {
  const Slot& slot = slots_[slot_of(key, hash_(key))];
  if (slot.place_and_one == 0) return std::nullopt;
  const Record found = record(slot.place_and_one - 1);
  if (is_old(found, std::max(now_ms, latest_ms_))) return std::nullopt;
  return Answered{found.user, found.total};
}

void KeyWindow::remember(std::string_view key, std::string_view user, std::int64_t total,
                         std::int64_t unix_ms) {
  LOADCORE_ASSERT(!key.empty() && key.size() <= key_bytes_max && !user.empty());
  const std::uint64_t hash = hash_(key);
  // The order of coming has to be that of the times, whatever the system's clock does.
  unix_ms = latest_ms_ = std::max(latest_ms_, unix_ms);
  expire(unix_ms);
  if (keys_ == options_.keys_max) {
    forget_oldest();
    ++forgotten_early_;
  }
  grow();
  const std::size_t bytes = record_bytes(key.size(), user.size());
  Place place = end_;
  const std::size_t left = chunk_bytes - place % chunk_bytes;
  if (bytes > left) {
    if (left >= fixed_bytes + 1) const_cast<char*>(at(place))[fixed_bytes] = 0;
    place += left;
  }
  if (place >= chunks_from_ + chunks_.size() * chunk_bytes) {
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(chunk_bytes));
  }
  char* out = const_cast<char*>(at(place));
  std::memcpy(out, &unix_ms, 8);
  std::memcpy(out + 8, &total, 8);
  out += fixed_bytes;
  *out++ = static_cast<char>(key.size());
  out += key.copy(out, key.size());
  *out++ = static_cast<char>(user.size());
  user.copy(out, user.size());
  if (keys_ == 0) first_ = place;
  end_ = place + bytes;
  ++keys_;

  // In the place of one under the same key, whose record stays behind until it is the oldest.
  slots_[slot_of(key, hash)] = {place + 1, hash};
}

bool KeyWindow::is_old(const Record& record, std::int64_t now_ms) const noexcept {
  // Times come from files too, and may be any.
  return now_ms > record.unix_ms &&
         static_cast<std::uint64_t>(now_ms) - static_cast<std::uint64_t>(record.unix_ms) >
             static_cast<std::uint64_t>(options_.age_ms_max);
}

void KeyWindow::expire(std::int64_t now_ms) noexcept {
  while (keys_ > 0 && is_old(record(first_), now_ms)) forget_oldest();
}

void KeyWindow::forget_oldest() noexcept {
  const Record oldest = record(first_);
  const std::size_t slot = slot_of(oldest.key, hash_(oldest.key));
  if (slots_[slot].place_and_one == first_ + 1) free_slot(slot);
  first_ = after(first_);
  --keys_;
  while (chunks_.size() > 1 && first_ >= chunks_from_ + chunk_bytes) {
    chunks_.pop_front();
    chunks_from_ += chunk_bytes;
  }
}

void KeyWindow::free_slot(std::size_t hole) noexcept {
  const std::size_t mask = slots_.size() - 1;
  // Whatever was pushed on by the one that goes moves back into the hole (Knuth, volume 3, 6.4 R).
  for (std::size_t next = (hole + 1) & mask; slots_[next].place_and_one != 0;
       next = (next + 1) & mask) {
    const std::size_t home = slots_[next].hash & mask;
    if (((next - home) & mask) >= ((next - hole) & mask)) {
      slots_[hole] = slots_[next];
      hole = next;
    }
  }
  slots_[hole] = {};
}

void KeyWindow::grow() {
  if (2 * (keys_ + 1) <= slots_.size()) return;
  std::vector<Slot> larger(2 * slots_.size());
  const std::size_t mask = larger.size() - 1;
  for (const Slot& slot : slots_) {
    if (slot.place_and_one == 0) continue;
    std::size_t place = slot.hash & mask;
    while (larger[place].place_and_one != 0) place = (place + 1) & mask;
    larger[place] = slot;
  }
  slots_ = std::move(larger);
}

KeyWindow::Place KeyWindow::read(Place place, std::size_t records,
                                 const std::function<void(const Record&)>& look) const {
  place = past_gap(std::max(place, first_));
  for (; records > 0 && place < end_; --records) {
    look(record(place));
    place = after(place);
  }
  return place;
}

}  // namespace loadcore::counter
