#include "load/arrivals.hpp"

#include <algorithm>

namespace loadcore::load {

std::optional<Start> Arrivals::take(base::TimePoint now, Recorder& recorder) noexcept {
  drop_too_late(now, recorder);
  const base::TimePoint intended = next_due();
  if (intended > now) return std::nullopt;
  const bool measured = next_ >= first_measured_;
  next_ += share_.threads;
  return Start{intended, {}, measured};
}

void Arrivals::drop_too_late(base::TimePoint now, Recorder& recorder) noexcept {
  if (!drop_after_ || next_due() >= now - *drop_after_) return;
  // All at once: after a stall there may be millions.
  const std::uint64_t end = std::min(end_, schedule_.count_before(now - *drop_after_ - origin_));
  const std::uint64_t warmup_end = std::clamp(first_measured_, next_, end);
  recorder.dropped(own_between(next_, warmup_end), false);
  recorder.dropped(own_between(warmup_end, end), true);
  next_ = own_before(end) * share_.threads + share_.thread;
}

void Arrivals::finish(base::TimePoint now, Recorder& recorder) noexcept {
  end_ = std::min(end_, count_due(now));
  drop_too_late(now, recorder);
  if (next_ < end_) {
    const std::uint64_t warmup_end = std::clamp(first_measured_, next_, end_);
    recorder.unsent(own_between(next_, warmup_end), false);
    recorder.unsent(own_between(warmup_end, end_), true);
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
