#include "load/arrivals.hpp"

#include <algorithm>

namespace loadcore::load {

std::optional<Start> Arrivals::take(base::TimePoint now, Recorder& recorder) noexcept {
  while (next_ < end_) {
    const base::TimePoint intended = origin_ + schedule_.intended(next_);
    if (intended > now) return std::nullopt;
    const bool measured = next_ >= first_measured_;
    next_ += share_.threads;
    if (!drop_after_ || now - intended <= *drop_after_) return Start{intended, {}, measured};
    recorder.dropped(1, measured);
  }
  return std::nullopt;
}

void Arrivals::finish(base::TimePoint now, Recorder& recorder) noexcept {
  end_ = std::min(end_, count_due(now));
  if (next_ < end_) {
    const std::uint64_t too_late =
        drop_after_ ? schedule_.count_before(now - *drop_after_ - origin_) : 0;
    const std::uint64_t drop_end = std::clamp(too_late, next_, end_);
    const std::uint64_t warmup_end = std::clamp(first_measured_, next_, end_);
    recorder.dropped(own_between(next_, std::min(warmup_end, drop_end)), false);
    recorder.dropped(own_between(warmup_end, drop_end), true);
    recorder.unsent(own_between(drop_end, warmup_end), false);
    recorder.unsent(own_between(std::max(warmup_end, drop_end), end_), true);
    next_ = end_;
  }
  report_upto(end_, recorder);
}

void Arrivals::report_scheduled(base::TimePoint instant, Recorder& recorder) noexcept {
  report_upto(std::min(end_, schedule_.count_before(instant - origin_)), recorder);
}

void Arrivals::report_upto(std::uint64_t index, Recorder& recorder) noexcept {
  if (index <= reported_) return;
  const std::uint64_t warmup_end = std::clamp(first_measured_, reported_, index);
  recorder.scheduled(own_between(reported_, warmup_end), false);
  recorder.scheduled(own_between(warmup_end, index), true);
  reported_ = index;
}

}  // namespace loadcore::load
