#include "simulation.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace loadcore::load::simulated {
namespace {

using base::Duration;
using base::TimePoint;

// No test comes near it; a loop that never lets the clock advance does.
constexpr std::uint64_t events_max = 50'000'000;
// A close or reset by the peer is noticed this much after what caused it.
constexpr Duration close_delay = std::chrono::microseconds(20);
constexpr std::uint64_t answer_bytes = 120;
constexpr std::uint64_t partial_bytes = 30;

/// When `work` is done that was begun at `from` and rests during the stalls.
Duration work_end(Duration from, Duration work, std::vector<Window> stalls) {
  std::sort(stalls.begin(), stalls.end(),
            [](const Window& a, const Window& b) { return a.from < b.from; });
  Duration at = from;
  for (const Window& stall : stalls) {
    if (stall.to <= at) continue;
    if (at < stall.from) {
      const Duration before = std::min(stall.from - at, work);
      work -= before;
      at += before;
      if (work == Duration(0)) return at;
    }
    at = stall.to;
  }
  return at + work;
}

void require(bool condition, const char* what) {
  if (!condition) throw std::logic_error(what);
}

}  // namespace

// --- World

void World::at(TimePoint when, std::function<void()> what) {
  events_.push({when, asked_++, std::move(what)});
}

void World::step() {
  require(!events_.empty(), "nothing is left to happen and the run is not over");
  require(++done_ < events_max, "too many events: does the clock still advance?");
  auto what = std::move(const_cast<Event&>(events_.top()).what);
  now_ = std::max(now_, events_.top().when);
  events_.pop();
  what();
}

bool World::chance(double share) {
  return share > 0 && std::uniform_real_distribution<double>(0, 1)(random) < share;
}

// --- Server

bool Server::within(const std::vector<Window>& windows) const {
  const Duration at = world_.since_epoch();
  return std::any_of(windows.begin(), windows.end(),
                     [at](const Window& window) { return window.from <= at && at < window.to; });
}

void Server::serve(Duration service_time, std::function<void()> done) {
  if (behaviour_.concurrency > 0 && busy_ == behaviour_.concurrency) {
    queue_.push_back({service_time, std::move(done)});
  } else {
    begin({service_time, std::move(done)});
  }
}

void Server::begin(Job job) {
  ++busy_;
  const Duration end = work_end(world_.since_epoch(), job.service_time, behaviour_.stalls);
  world_.at(World::epoch + end, [this, done = std::move(job.done)] {
    --busy_;
    if (!queue_.empty()) {
      Job next = std::move(queue_.front());
      queue_.pop_front();
      begin(std::move(next));
    }
    done();
  });
}

// --- Transport

Transport::Transport(World& world, Server& server, Interference interference, std::uint32_t number,
                     const http::ClientOptions& options, http::ClientEvents& events)
    : world_(world),
      server_(server),
      interference_(interference),
      number_(number),
      connect_timeout_(options.connect_timeout),
      request_timeout_(options.request_timeout),
      events_(events),
      connections_(options.connections) {
  // What is connected when the process goes away is reset.
  for (const Window& window : server.behaviour().refusing) {
    world_.at(World::epoch + window.from, [this] {
      for (http::Slot slot = 0; slot < connections_.size(); ++slot) {
        peer_closes(slot, connections_[slot].generation);
      }
    });
  }
}

void Transport::later(http::Slot slot, TimePoint when, std::function<void()> what) {
  const auto operation = connections_[slot].operation;
  world_.at(when, [this, slot, operation, what = std::move(what)] {
    if (!stopped_ && connections_[slot].operation == operation) what();
  });
}

void Transport::connect(http::Slot slot) {
  Connection& connection = connections_.at(slot);
  require(connection.state == State::closed, "connect() on a slot that is not closed");
  attempts_.push_back(now());
  connection.state = State::connecting;
  ++connection.operation;
  later(slot, now() + connect_timeout_, [this, slot] { connect_failed(slot, "timed out"); });
  later(slot, now() + server_.behaviour().connect_time, [this, slot] {
    if (server_.silent()) return;
    server_.refusing() ? connect_failed(slot, "refused") : established(slot);
  });
}

void Transport::connect_failed(http::Slot slot, std::string_view reason) {
  Connection& connection = connections_[slot];
  ++server_.seen.connect_failed;
  ++connection.operation;
  connection.state = State::closed;
  events_.connect_failed(slot, reason);
}

void Transport::established(http::Slot slot) {
  Connection& connection = connections_[slot];
  ++server_.seen.connected;
  ++connection.generation;
  connection.answers = 0;
  if (world_.chance(server_.behaviour().close_at_once)) {
    const auto generation = connection.generation;
    world_.at(now() + close_delay, [=, this] { peer_closes(slot, generation); });
  }
  become_idle(slot);
  events_.connected(slot);
}

void Transport::become_idle(http::Slot slot) {
  Connection& connection = connections_[slot];
  connection.state = State::idle;
  ++connection.operation;
  if (server_.behaviour().idle_timeout == Duration::max()) return;
  later(slot, now() + server_.behaviour().idle_timeout,
        [=, this, generation = connection.generation] { peer_closes(slot, generation); });
}

TimePoint Transport::send(http::Slot slot, std::string_view request, bool) {
  Connection& connection = connections_.at(slot);
  require(connection.state == State::idle, "send() on a slot that is not idle");
  require(!request.empty(), "send() of nothing");
  const TimePoint started = now();
  connection.state = State::busy;
  ++connection.operation;
  later(slot, started + request_timeout_, [this, slot] {
    ++server_.seen.timeout;
    fail(slot, http::Failure::timeout, 0);
  });
  const auto operation = connection.operation;
  ++server_.seen.requests;
  server_.serve(server_.behaviour().service_time(number_, sends_.size()),
                [this, slot, operation, fate = draw_fate()] {
                  if (!stopped_ && connections_[slot].operation == operation) served(slot, fate);
                });
  sends_.push_back(started);
  world_.work(interference_.send_work);
  return started;
}

Transport::Fate Transport::draw_fate() {
  const Behaviour& behaviour = server_.behaviour();
  if (world_.chance(behaviour.no_answer)) return Fate::no_answer;
  if (world_.chance(behaviour.reset)) return Fate::reset;
  if (world_.chance(behaviour.malformed)) return Fate::malformed;
  return Fate::answer;
}

void Transport::served(http::Slot slot, Fate fate) {
  if (server_.silent() || fate == Fate::no_answer) return;
  switch (fate) {
    case Fate::no_answer:
      break;
    case Fate::reset:
      ++server_.seen.reset;
      fail(slot, http::Failure::reset, partial_bytes);
      break;
    case Fate::malformed:
      ++server_.seen.malformed;
      fail(slot, http::Failure::protocol, partial_bytes);
      break;
    case Fate::answer:
      complete(slot);
      break;
  }
}

void Transport::complete(http::Slot slot) {
  const Behaviour& behaviour = server_.behaviour();
  Connection& connection = connections_[slot];
  const bool last = behaviour.close_after > 0 && ++connection.answers >= behaviour.close_after;
  const bool error = world_.chance(behaviour.status_500);
  ++server_.seen.completed;
  server_.seen.status_500 += error ? 1 : 0;
  server_.seen.bytes_to_client += answer_bytes;
  const http::Response answer{now(), answer_bytes, error ? 500 : 200,
                              !(last && behaviour.announce_close)};
  if (answer.keep_alive) {
    become_idle(slot);
  } else {
    ++connection.operation;
    connection.state = State::closed;
  }
  if (last && !behaviour.announce_close) {
    const auto generation = connection.generation;
    world_.at(now() + close_delay, [=, this] { peer_closes(slot, generation); });
  }
  events_.answered(slot, answer);
}

void Transport::fail(http::Slot slot, http::Failure failure, std::uint64_t bytes_received) {
  Connection& connection = connections_[slot];
  ++connection.operation;
  connection.state = State::closed;
  server_.seen.bytes_to_client += bytes_received;
  events_.failed(slot, failure, bytes_received);
}

void Transport::peer_closes(http::Slot slot, std::uint64_t generation) {
  Connection& connection = connections_[slot];
  if (stopped_ || connection.generation != generation || server_.silent()) return;
  if (connection.state == State::busy) {
    ++server_.seen.reset;
    fail(slot, http::Failure::reset, 0);
  } else if (connection.state == State::idle) {
    ++connection.operation;
    connection.state = State::closed;
    events_.closed(slot);
  }
}

void Transport::close(http::Slot slot) {
  Connection& connection = connections_.at(slot);
  if (connection.state == State::busy) ++server_.seen.abandoned;
  connection.state = State::closed;
  ++connection.operation;
}

void Transport::set_alarm(TimePoint when) {
  require(when != TimePoint::max(), "an alarm for never");
  Duration late{0};
  if (interference_.alarm_late_max > Duration(0)) {
    late = Duration(std::uniform_int_distribution<std::int64_t>(
        0, interference_.alarm_late_max.count())(world_.random));
  }
  world_.at(std::max(when, now()) + late, [this, number = ++alarm_number_] {
    if (!stopped_ && alarm_number_ == number) events_.alarm();
  });
}

void Transport::wake() noexcept {
  world_.at(now(), [this] {
    if (!stopped_) events_.alarm();
  });
}

void Transport::run() {
  if (!world_.not_yet_started.empty()) {
    const auto start = std::move(world_.not_yet_started.front());
    world_.not_yet_started.pop_front();
    start();
  }
  while (!stopped_) world_.step();
}

}  // namespace loadcore::load::simulated
