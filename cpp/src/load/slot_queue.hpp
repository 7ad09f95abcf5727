#pragma once

#include <cstdint>
#include <vector>

#include "loadcore/http/client.hpp"

namespace loadcore::load {

/// A queue of slots, each in it at most once, from the middle of which one may be taken out; every
/// operation takes constant time and none allocates.
class SlotQueue {
 public:
  explicit SlotQueue(std::uint32_t slots) : links_(slots + 1U), end_(slots) {
    links_[end_] = {end_, end_};
    for (http::Slot slot = 0; slot < slots; ++slot) links_[slot].next = absent;
  }

  bool empty() const noexcept { return links_[end_].next == end_; }

  void push_back(http::Slot slot) noexcept {
    const http::Slot last = links_[end_].previous;
    links_[slot] = {last, end_};
    links_[last].next = slot;
    links_[end_].previous = slot;
  }

  /// Of a queue that is not empty.
  http::Slot pop_front() noexcept {
    const http::Slot first = links_[end_].next;
    remove(first);
    return first;
  }

  void remove(http::Slot slot) noexcept {
    Link& link = links_[slot];
    if (link.next == absent) return;
    links_[link.previous].next = link.next;
    links_[link.next].previous = link.previous;
    link.next = absent;
  }

 private:
  static constexpr http::Slot absent = UINT32_MAX;
  struct Link {
    http::Slot previous;
    http::Slot next;
  };
  std::vector<Link> links_;  // the last one is the ring's anchor
  http::Slot end_;
};

}  // namespace loadcore::load
