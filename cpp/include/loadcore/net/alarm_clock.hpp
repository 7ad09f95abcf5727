#pragma once

#include "loadcore/base/clock.hpp"
#include "loadcore/net/descriptor.hpp"

namespace loadcore::net {

/// A timer that a Poller can wait for (timerfd): exact to some tens of microseconds, where the
/// poller's own deadline is to the millisecond. One thread.
class AlarmClock {
 public:
  /// Throws base::RunError where the process is out of descriptors.
  AlarmClock();

  /// Becomes readable at `when`, or at once if that is past; replaces what was set before.
  void set(base::TimePoint when) noexcept;
  void clear() noexcept;

  /// To add to a Poller.
  int descriptor() const noexcept { return timer_.number(); }

 private:
  Descriptor timer_;
};

}  // namespace loadcore::net
