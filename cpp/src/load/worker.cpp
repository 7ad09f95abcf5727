#include "load/worker.hpp"

#include <time.h>

#include <algorithm>

#include "load/back_off.hpp"
#include "loadcore/base/assert.hpp"

namespace loadcore::load {
namespace {

using base::Duration;
using base::TimePoint;

/// An attempt to connect reports its own time-out, which comes first. The deadline is for all of
/// them: only a connection that was made is worth waiting for more, since a transport tries so many
/// at a time and ten thousand that time out in turn would take minutes.
constexpr Duration connecting_grace = std::chrono::milliseconds(100);

Duration thread_cpu() noexcept {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + Duration(used.tv_nsec);
}

std::uint32_t share_of_connections(const Plan& plan, std::uint32_t index) noexcept {
  return plan.connections / plan.threads + (index < plan.connections % plan.threads ? 1 : 0);
}

std::optional<Arrivals> make_arrivals(const Plan& plan, std::uint32_t index) {
  if (!plan.open_loop()) return std::nullopt;
  const Schedule schedule(*plan.rate_rps);
  const std::uint64_t first_measured = schedule.count_before(plan.warmup);
  const std::uint64_t end = plan.requests ? first_measured + *plan.requests
                                          : schedule.count_before(plan.warmup + *plan.duration);
  return Arrivals(schedule, {index, plan.threads}, first_measured, end, plan.drop_after);
}

}  // namespace

Duration sending_length(const Plan& plan) {
  if (plan.duration) return *plan.duration;
  if (!plan.open_loop()) return Duration::max();
  const Schedule schedule(*plan.rate_rps);
  return schedule.intended(schedule.count_before(plan.warmup) + *plan.requests) - plan.warmup;
}

Worker::Worker(const WorkerSetup& setup, std::uint32_t index, RunControl& control,
               const Engine::TransportFactory& make_transport)
    : plan_(setup.plan),
      request_(setup.request),
      is_head_(setup.plan.method == "HEAD"),
      control_(control),
      connection_count_(share_of_connections(setup.plan, index)),
      transport_(make_transport(
          {setup.url, connection_count_, setup.plan.connect_timeout, setup.plan.timeout}, *this)),
      arrivals_(make_arrivals(setup.plan, index)),
      recorder_(setup.plan.open_loop(), Timeline(setup.plan.interval, sending_length(setup.plan)),
                setup.request.size()),
      random_(index + 1),
      connections_(connection_count_),
      idle_(connection_count_),
      not_yet_tried_(connection_count_) {}

void Worker::run() {
  const TimePoint now = transport_->now();
  // The name may take as long to be looked up as the first attempt may take.
  connecting_deadline_ = now + 2 * plan_.connect_timeout + connecting_grace;
  for (http::Slot slot = 0; slot < connection_count_; ++slot) connect(slot, now);
  rearm();
  transport_->run();
}

ThreadReport Worker::report() const {
  ThreadReport report;
  report.cpu = cpu_;
  report.wall = std::max(sending_ended_ - measured_start_, Duration(0));
  report.connections = connection_count_;
  recorder_.describe(report);
  return report;
}

// --- connecting

void Worker::connect(http::Slot slot, TimePoint now) {
  Connection& connection = connections_[slot];
  connection.state = Connection::State::connecting;
  if (arrivals_ && phase_ == Phase::running && idle_.empty()) {
    // Somebody waits for a connection: the oldest request that does is the one that fails if this
    // attempt does, so that a target that is away shows as failed requests, not as silence.
    if (const auto start = arrivals_->take(now, recorder_)) {
      connection.start = *start;
      connection.has_request = true;
      ++outstanding_;
    }
  }
  transport_->connect(slot);
}

void Worker::connected(http::Slot slot) {
  Connection& connection = connections_[slot];
  const TimePoint now = transport_->now();
  connection.state = Connection::State::idle;
  connection.free_since = now;
  recorder_.connected();
  if (phase_ == Phase::connecting) {
    ++open_;
    connecting_deadline_ = now + plan_.connect_timeout + connecting_grace;
    tried_to_connect(now);
  } else if (connection.has_request) {
    connection.has_request = false;
    --outstanding_;
    send(slot);
  } else if (phase_ == Phase::running) {
    become_free(slot, now);
  }
}

void Worker::connect_failed(http::Slot slot, std::string_view reason) {
  Connection& connection = connections_[slot];
  const TimePoint now = transport_->now();
  connection.state = Connection::State::closed;
  control_.note_connect_failure(reason);
  if (phase_ == Phase::connecting) {
    tried_to_connect(now);
    return;
  }
  if (connection.has_request) {
    connection.has_request = false;
    --outstanding_;
    recorder_.failed_to_connect(connection.start.measured);
  }
  recover(slot, now);
}

void Worker::tried_to_connect(TimePoint now) {
  if (not_yet_tried_ > 0) --not_yet_tried_;
  if (not_yet_tried_ == 0) step_connecting(now);
}

void Worker::step_connecting(TimePoint now) {
  if (control_.stopping() || control_.unreachable()) {
    stopped_early_ = control_.stopping();
    finish(now);
    return;
  }
  if (!ready_ && (not_yet_tried_ == 0 || now >= connecting_deadline_)) {
    ready_ = true;
    control_.ready(open_, now);
  }
  if (control_.has_started()) {
    started_ = control_.started();
    if (now >= started_) {
      begin_running(now);
      return;
    }
  }
  rearm();
}

void Worker::begin_running(TimePoint now) {
  phase_ = Phase::running;
  measured_start_ = started_ + plan_.warmup;
  const Duration length = sending_length(plan_);
  sending_end_ = length == Duration::max() ? TimePoint::max() : measured_start_ + length;
  if (arrivals_) arrivals_->begin(started_);
  // Those that are there first: no request is to wait for a connection while another is free.
  for (const auto state : {Connection::State::idle, Connection::State::closed}) {
    for (http::Slot slot = 0; slot < connection_count_; ++slot) {
      if (connections_[slot].state == state) resume(slot, now);
    }
  }
  rearm();
}

// --- requests

/// What a connection without a request does next.
void Worker::resume(http::Slot slot, TimePoint now) {
  if (phase_ != Phase::running) return;
  if (connections_[slot].state == Connection::State::idle) {
    become_free(slot, now);
  } else if (arrivals_) {
    connect(slot, now);
  } else {
    begin_request(slot, now);
  }
}

void Worker::become_free(http::Slot slot, TimePoint now) {
  if (arrivals_) {
    idle_.push_back(slot);
    pump(now);
  } else {
    begin_request(slot, now);
  }
}

/// Closed loop: the next request of this connection.
void Worker::begin_request(http::Slot slot, TimePoint now) {
  if (phase_ != Phase::running) return;
  if (now >= sending_end_) {
    begin_draining(Ending::time_over, now);
    return;
  }
  Connection& connection = connections_[slot];
  connection.start.measured = now >= measured_start_;
  if (connection.start.measured && !control_.take_request()) {
    begin_draining(Ending::requests_exhausted, now);
  } else if (connection.state == Connection::State::idle) {
    send(slot);
  } else {
    connection.has_request = true;
    ++outstanding_;
    connect(slot, now);
  }
}

/// Open loop: what is due goes to the connections that are free.
void Worker::pump(TimePoint now) {
  while (!idle_.empty()) {
    const auto start = arrivals_->take(now, recorder_);
    if (!start) break;
    const http::Slot slot = idle_.pop_front();
    connections_[slot].start = *start;
    send(slot);
  }
  next_due_ = idle_.empty() ? TimePoint::max() : arrivals_->next_due();
  rearm();
}

void Worker::send(http::Slot slot) {
  Connection& connection = connections_[slot];
  connection.state = Connection::State::busy;
  ++outstanding_;
  connection.start.actual = transport_->send(slot, request_, is_head_);
  if (!arrivals_) connection.start.intended = connection.start.actual;
  recorder_.sent(connection.start, connection.free_since);
}

void Worker::answered(http::Slot slot, const http::Response& answer) {
  Connection& connection = connections_[slot];
  --outstanding_;
  recorder_.answered(connection.start, answer);
  connection.failures = 0;
  connection.free_since = answer.last_byte;
  connection.state = answer.keep_alive ? Connection::State::idle : Connection::State::closed;
  if (phase_ != Phase::running) {
    finish_if_drained(answer.last_byte);
  } else if (plan_.think_time > Duration(0)) {
    rest(slot, answer.last_byte + plan_.think_time);
  } else {
    resume(slot, answer.last_byte);
  }
}

void Worker::failed(http::Slot slot, http::Failure failure, std::uint64_t bytes_received) {
  Connection& connection = connections_[slot];
  --outstanding_;
  recorder_.failed(connection.start, failure, bytes_received);
  connection.state = Connection::State::closed;
  recover(slot, transport_->now());
}

void Worker::closed(http::Slot slot) {
  connections_[slot].state = Connection::State::closed;
  idle_.remove(slot);
  // A closed loop connects again when its next request is due.
  if (phase_ == Phase::running && arrivals_) recover(slot, transport_->now());
}

/// A connection broke, or could not be made: the next attempt is a little later each time.
void Worker::recover(http::Slot slot, TimePoint now) {
  if (phase_ == Phase::running) {
    rest(slot, now + back_off(++connections_[slot].failures, random_));
  } else {
    finish_if_drained(now);
  }
}

void Worker::rest(http::Slot slot, TimePoint until) {
  wake_ups_.emplace(until, slot);
  rearm();
}

// --- the clock

void Worker::alarm() {
  armed_for_ = TimePoint::max();
  if (phase_ == Phase::done) return;
  const TimePoint now = transport_->now();
  if (phase_ == Phase::connecting) {
    step_connecting(now);
  } else {
    step_running(now);
  }
}

void Worker::step_running(TimePoint now) {
  if (phase_ == Phase::running) {
    if (control_.stopping()) {
      begin_draining(Ending::stopped, now);
    } else if (now >= sending_end_) {
      begin_draining(Ending::time_over, now);
    } else if (!arrivals_ && control_.requests_exhausted()) {
      begin_draining(Ending::requests_exhausted, now);
    } else {
      while (!wake_ups_.empty() && wake_ups_.top().first <= now) {
        const http::Slot slot = wake_ups_.top().second;
        wake_ups_.pop();
        resume(slot, now);
      }
      if (arrivals_ && phase_ == Phase::running) pump(now);
    }
  }
  if (phase_ == Phase::done) return;
  measure(now);
  if (phase_ == Phase::draining && now >= control_.give_up()) {
    give_up_outstanding();
    finish_if_drained(now);
  }
  rearm();
}

void Worker::measure(TimePoint now) {
  if (now < measured_start_) return;
  if (!measuring_) {
    measuring_ = true;
    cpu_at_start_ = thread_cpu();
  }
  while (now >= measured_start_ + recorder_.row_end()) {
    const Duration end = recorder_.row_end();
    if (arrivals_) arrivals_->report_scheduled(measured_start_ + end, recorder_);
    recorder_.close_row(end);
  }
}

void Worker::rearm() {
  TimePoint next = TimePoint::max();
  switch (phase_) {
    case Phase::connecting:
      if (!ready_) next = connecting_deadline_;
      if (control_.has_started()) next = control_.started();
      break;
    case Phase::running:
      next = std::min(next_due_, sending_end_);
      if (!wake_ups_.empty()) next = std::min(next, wake_ups_.top().first);
      break;
    case Phase::draining:
      next = control_.give_up();
      break;
    case Phase::done:
      return;
  }
  if (phase_ == Phase::running || phase_ == Phase::draining) {
    next = std::min(next, measuring_ ? measured_start_ + recorder_.row_end() : measured_start_);
  }
  if (next == armed_for_) return;
  armed_for_ = next;
  if (next == TimePoint::max()) {
    transport_->clear_alarm();
  } else {
    transport_->set_alarm(next);
  }
}

// --- the end

void Worker::begin_draining(Ending ending, TimePoint now) {
  if (phase_ != Phase::running) return;
  measure(now);
  // The alarm rings late; what was due before the end and has a connection is still sent.
  if (arrivals_ && ending == Ending::time_over) pump(now);
  phase_ = Phase::draining;
  stopped_early_ = ending == Ending::stopped;
  sending_ended_ = ending == Ending::time_over ? sending_end_ : now;
  if (measuring_) cpu_ = thread_cpu() - cpu_at_start_;
  wake_ups_ = {};
  if (ending != Ending::requests_exhausted) {
    for (http::Slot slot = 0; slot < connection_count_; ++slot) {
      Connection& connection = connections_[slot];
      if (!connection.has_request) continue;
      connection.has_request = false;
      --outstanding_;
      if (arrivals_) recorder_.unsent(1, connection.start.measured);
    }
  }
  if (arrivals_) arrivals_->finish(now, recorder_);
  finish_if_drained(now);
}

void Worker::give_up_outstanding() {
  for (http::Slot slot = 0; slot < connection_count_; ++slot) {
    Connection& connection = connections_[slot];
    if (connection.state == Connection::State::busy) {
      recorder_.failed(connection.start, http::Failure::timeout, 0);
    } else if (connection.has_request) {
      recorder_.failed_to_connect(connection.start.measured);
    } else {
      continue;
    }
    transport_->close(slot);
    connection.state = Connection::State::closed;
    connection.has_request = false;
    --outstanding_;
  }
}

void Worker::finish_if_drained(TimePoint now) {
  if (phase_ == Phase::draining && outstanding_ == 0) finish(now);
}

void Worker::finish(TimePoint now) {
  if (phase_ != Phase::connecting) {
    measure(now);
    if (measuring_) recorder_.close_last_row(now - measured_start_);
  }
  phase_ = Phase::done;
  ended_ = now;
  transport_->clear_alarm();
  transport_->stop();
}

}  // namespace loadcore::load
