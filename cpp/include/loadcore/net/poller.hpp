#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "loadcore/base/clock.hpp"
#include "loadcore/net/descriptor.hpp"

namespace loadcore::net {

/// Waits for many descriptors at once (epoll). Its descriptors are registered once, edge-triggered:
/// an event tells of a change, so whoever gets one reads (or writes) until the kernel has no more,
/// or remembers that there is more. That way a request costs no call here but its share of wait().
///
/// Owned by one thread; only wake() may come from others.
class Poller {
 public:
  /// The token of the event that wake() causes.
  static constexpr std::uint64_t wake_token = UINT64_MAX;

  /// Throws base::RunError where the process is out of descriptors.
  Poller();

  /// Tells from now on of `descriptor` becoming readable, writable, or closed by the peer, until it
  /// is closed. False where the system refuses (out of memory or of watches).
  bool add(int descriptor, std::uint64_t token) noexcept;
  /// The same, but only of being readable and for as long as it is (level-triggered).
  bool add_listener(int descriptor, std::uint64_t token) noexcept;
  /// Stops and resumes telling of a listener.
  void set_listening(int descriptor, std::uint64_t token, bool listening) noexcept;

  /// What has happened, waiting for it until `deadline` (for ever without one), to the millisecond
  /// and never less. The span is valid until the next call.
  std::span<const epoll_event> wait(std::optional<base::TimePoint> deadline) noexcept;

  /// Makes wait() return with a wake_token event, now or when it is next called.
  void wake() noexcept;

 private:
  Descriptor epoll_;
  Descriptor waker_;
  std::array<epoll_event, 256> events_;
};

}  // namespace loadcore::net
