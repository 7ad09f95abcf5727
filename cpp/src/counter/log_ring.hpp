#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "loadcore/base/assert.hpp"

namespace loadcore::counter {

/// Records from one thread to one other, in order, in bounded memory. push() is the one thread's,
/// pop() the other's; neither waits.
class LogRing {
 public:
  struct Head {
    std::int64_t unix_ns;
    std::uint32_t size;
    std::uint8_t event;
  };

  /// `bytes` is a power of two.
  explicit LogRing(std::size_t bytes) : bytes_(std::make_unique<char[]>(bytes)), mask_(bytes - 1) {
    LOADCORE_ASSERT(std::has_single_bit(bytes));
  }

  /// False, and nothing kept, where there is no room. Ordered before what the thread then does
  /// with sequentially consistent atomics, so that it can see whether the reader is asleep.
  bool push(std::int64_t unix_ns, std::uint8_t event, std::string_view text) noexcept {
    const std::size_t end = end_.load(std::memory_order_relaxed);
    const std::size_t free = mask_ + 1 - (end - begin_.load(std::memory_order_acquire));
    if (free < sizeof(Head) + text.size()) return false;
    const Head head{unix_ns, static_cast<std::uint32_t>(text.size()), event};
    copy_in(end, reinterpret_cast<const char*>(&head), sizeof head);
    copy_in(end + sizeof head, text.data(), text.size());
    end_.store(end + sizeof head + text.size());
    return true;
  }

  bool empty() const noexcept { return end_.load() == begin_.load(std::memory_order_relaxed); }

  /// False where there is nothing.
  bool pop(Head& head, std::string& text) {
    const std::size_t begin = begin_.load(std::memory_order_relaxed);
    if (end_.load(std::memory_order_acquire) == begin) return false;
    copy_out(begin, reinterpret_cast<char*>(&head), sizeof head);
    text.resize(head.size);
    copy_out(begin + sizeof head, text.data(), text.size());
    begin_.store(begin + sizeof head + text.size(), std::memory_order_release);
    return true;
  }

 private:
  void copy_in(std::size_t at, const char* from, std::size_t size) noexcept {
    const std::size_t place = at & mask_;
    const std::size_t first = std::min(size, mask_ + 1 - place);
    std::memcpy(bytes_.get() + place, from, first);
    std::memcpy(bytes_.get(), from + first, size - first);
  }
  void copy_out(std::size_t at, char* to, std::size_t size) const noexcept {
    const std::size_t place = at & mask_;
    const std::size_t first = std::min(size, mask_ + 1 - place);
    std::memcpy(to, bytes_.get() + place, first);
    std::memcpy(to + first, bytes_.get(), size - first);
  }

  std::unique_ptr<char[]> bytes_;
  const std::size_t mask_;
  alignas(64) std::atomic<std::size_t> end_{0};    // the writer's; counts for ever
  alignas(64) std::atomic<std::size_t> begin_{0};  // the reader's
};

}  // namespace loadcore::counter
