#include "load/recorder.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "loadcore/base/assert.hpp"

namespace loadcore::load {

Counts& Counts::operator+=(const Counts& other) noexcept {
  scheduled += other.scheduled;
  sent += other.sent;
  completed += other.completed;
  dropped += other.dropped;
  unsent += other.unsent;
  connect += other.connect;
  timeout += other.timeout;
  reset += other.reset;
  protocol += other.protocol;
  status += other.status;
  return *this;
}

bool Counts::balanced() const noexcept {
  return scheduled == sent + dropped + unsent && sent == completed + failed();
}

Recorder::Recorder(bool open_loop, Timeline timeline, std::uint64_t request_bytes)
    : timeline_(timeline),
      request_bytes_(request_bytes),
      open_loop_(open_loop ? std::make_unique<OpenLoop>() : nullptr) {}

void Recorder::sent(const Start& start, base::TimePoint free_since) noexcept {
  ++counts(start.measured).sent;
  if (!start.measured) return;
  ++row_requests_written_;
  if (!open_loop_) return;
  const auto lag = start.actual - start.intended;
  const auto blocked = std::clamp(free_since - start.intended, base::Duration(0), lag);
  open_loop_->send_lag.record(lag.count());
  open_loop_->blocked.record(blocked.count());
  open_loop_->generator_late.record((lag - blocked).count());
}

void Recorder::answered(const Start& start, const http::Response& answer) noexcept {
  Counts& counts = this->counts(start.measured);
  ++counts.completed;
  if (answer.status < 200 || answer.status > 299) ++counts.status;
  if (!start.measured) return;
  ++status_codes_[static_cast<std::size_t>(answer.status) % status_codes_.size()];
  row_bytes_received_ += answer.bytes;
  service_.record((answer.last_byte - start.actual).count());
  if (open_loop_) open_loop_->latency.record((answer.last_byte - start.intended).count());
}

void Recorder::failed(const Start& start, http::Failure failure,
                      std::uint64_t bytes_received) noexcept {
  Counts& counts = this->counts(start.measured);
  switch (failure) {
    case http::Failure::timeout:
      ++counts.timeout;
      break;
    case http::Failure::reset:
      ++counts.reset;
      break;
    case http::Failure::protocol:
      ++counts.protocol;
      break;
  }
  if (start.measured) row_bytes_received_ += bytes_received;
}

void Recorder::failed_to_connect(bool measured) noexcept {
  Counts& counts = this->counts(measured);
  ++counts.sent;
  ++counts.connect;
}

void Recorder::close_row(base::Duration end) {
  IntervalRow row;
  row.start = row_start_;
  row.length = end - row_start_;
  row.counts = std::exchange(row_counts_, {});
  if (!open_loop_) row.counts.scheduled = row.counts.sent;
  row.bytes_sent = std::exchange(row_requests_written_, 0) * request_bytes_;
  row.bytes_received = std::exchange(row_bytes_received_, 0);
  row.service = service_.harvest();
  if (open_loop_) {
    row.latency = open_loop_->latency.harvest();
    row.send_lag = open_loop_->send_lag.harvest();
  }
  row_start_ = end;
  ++row_;

  const std::scoped_lock lock(mutex_);
  published_.counts += row.counts;
  published_.rows.push_back(std::move(row));
}

void Recorder::read(const std::function<void(const Published&)>& look) const {
  const std::scoped_lock lock(mutex_);
  look(published_);
}

void Recorder::add_to(Report& report) const {
  LOADCORE_ASSERT(row_counts_ == Counts{});
  report.counts += published_.counts;
  Counts warmup = warmup_;
  if (!open_loop_) warmup.scheduled = warmup.sent;
  report.warmup_counts += warmup;
  for (const IntervalRow& row : published_.rows) {
    report.bytes_sent += row.bytes_sent;
    report.bytes_received += row.bytes_received;
  }
  report.connects += connects_;
  report.service.merge(service_.total());
  if (open_loop_) {
    report.latency.merge(open_loop_->latency.total());
    report.send_lag.merge(open_loop_->send_lag.total());
    report.generator_late.merge(open_loop_->generator_late);
    report.blocked.merge(open_loop_->blocked);
  } else {
    report.latency.merge(service_.total());
  }
  std::map<int, std::uint64_t> codes(report.status_codes.begin(), report.status_codes.end());
  for (std::size_t code = 0; code < status_codes_.size(); ++code) {
    if (status_codes_[code] > 0) codes[static_cast<int>(code)] += status_codes_[code];
  }
  report.status_codes.assign(codes.begin(), codes.end());
}

void Recorder::describe(ThreadReport& thread) const {
  thread.sent = published_.counts.sent;
  if (!open_loop_) return;
  const auto& late = open_loop_->generator_late;
  thread.late_p50 = base::Duration(late.value_at_percentile(50));
  thread.late_p99 = base::Duration(late.value_at_percentile(99));
  thread.late_max = base::Duration(late.max());
}

}  // namespace loadcore::load
