#include "loadcore/net/alarm_clock.hpp"

#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

#include "loadcore/base/error.hpp"

namespace loadcore::net {

AlarmClock::AlarmClock() : timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  if (!timer_) {
    throw base::RunError("cannot make a timer (" + std::generic_category().message(errno) +
                         "): raise the limit on open files (ulimit -n)");
  }
}

void AlarmClock::set(base::TimePoint when) noexcept {
  // All zeros would disarm it.
  const auto at = std::max(when.time_since_epoch(), base::Duration(1));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(at);
  itimerspec spec{};
  spec.it_value.tv_sec = seconds.count();
  spec.it_value.tv_nsec = (at - seconds).count();
  ::timerfd_settime(timer_.number(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void AlarmClock::clear() noexcept {
  const itimerspec disarmed{};
  ::timerfd_settime(timer_.number(), 0, &disarmed, nullptr);
}

}  // namespace loadcore::net
