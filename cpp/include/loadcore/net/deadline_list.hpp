#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "loadcore/base/clock.hpp"

namespace loadcore::net {

/// Deadlines of up to `entries` things that all get the same span, in constant time each: since
/// the span is the same, the order in which they start is the order in which they expire, and one
/// timer at the head's deadline serves them all. Instants must not go backwards from add to add.
class DeadlineList {
 public:
  DeadlineList(std::uint32_t entries, base::Duration span)
      : nodes_(entries + 1U), end_(entries), span_(span) {
    nodes_[end_] = {end_, end_, {}};
    for (std::uint32_t id = 0; id < entries; ++id) nodes_[id].next = absent;
  }

  /// Starts the span of `id` at `start`, anew if it was under way.
  void add(std::uint32_t id, base::TimePoint start) noexcept {
    remove(id);
    Node& node = nodes_[id];
    node = {nodes_[end_].previous, end_, start + span_};
    nodes_[node.previous].next = id;
    nodes_[end_].previous = id;
  }

  void remove(std::uint32_t id) noexcept {
    Node& node = nodes_[id];
    if (node.next == absent) return;
    nodes_[node.previous].next = node.next;
    nodes_[node.next].previous = node.previous;
    node.next = absent;
  }

  /// Takes out and returns one that has expired by `now`, the earliest first.
  std::optional<std::uint32_t> pop_expired(base::TimePoint now) noexcept {
    const std::uint32_t first = nodes_[end_].next;
    if (first == end_ || nodes_[first].deadline > now) return std::nullopt;
    remove(first);
    return first;
  }

  /// The earliest deadline, if there is any.
  std::optional<base::TimePoint> next() const noexcept {
    const std::uint32_t first = nodes_[end_].next;
    if (first == end_) return std::nullopt;
    return nodes_[first].deadline;
  }

 private:
  static constexpr std::uint32_t absent = UINT32_MAX;
  struct Node {
    std::uint32_t previous;
    std::uint32_t next;
    base::TimePoint deadline;
  };
  std::vector<Node> nodes_;  // the last one is the ring's anchor
  std::uint32_t end_;
  base::Duration span_;
};

}  // namespace loadcore::net
