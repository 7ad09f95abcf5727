#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <random>
#include <vector>

#include "loadcore/base/clock.hpp"
#include "loadcore/http/client.hpp"

namespace loadcore::load::simulated {

/// A clock that only events move, and what is to happen on it. Everything a seeded run does follows
/// from its seed: no thread, no socket and no sleep is involved.
class World {
 public:
  explicit World(std::uint64_t seed) : random(seed) {}

  static constexpr base::TimePoint epoch{std::chrono::hours(1)};

  base::TimePoint now() const noexcept { return now_; }
  base::Duration since_epoch() const noexcept { return now_ - epoch; }
  /// The one thread that everybody shares is busy for `span`: events meanwhile happen late.
  void work(base::Duration span) noexcept { now_ += span; }

  /// Events happen in the order of their times, those of one time in the order they were asked for.
  void at(base::TimePoint when, std::function<void()> what);
  /// The next event. Throws std::logic_error if there is none, or there were absurdly many.
  void step();

  /// True with probability `share`.
  bool chance(double share);

  std::mt19937_64 random;
  /// Started inside the run() of the worker before, since all share this thread.
  std::deque<std::function<void()>> not_yet_started;

 private:
  struct Event {
    base::TimePoint when;
    std::uint64_t number;
    std::function<void()> what;
    bool operator>(const Event& other) const noexcept {
      return when != other.when ? when > other.when : number > other.number;
    }
  };
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint64_t asked_ = 0;
  std::uint64_t done_ = 0;
  base::TimePoint now_ = epoch;
};

/// Since World::epoch.
struct Window {
  base::Duration from;
  base::Duration to;
};

/// How the simulated target behaves.
struct Behaviour {
  base::Duration connect_time = std::chrono::microseconds(50);
  /// Of a request, by the transport that sends it and how many that one has sent before.
  std::function<base::Duration(std::uint32_t transport, std::uint64_t sequence)> service_time =
      [](std::uint32_t, std::uint64_t) { return std::chrono::microseconds(100); };
  std::uint32_t concurrency = 0;  ///< requests served at once, the rest queue; 0: any number
  std::vector<Window> stalls;     ///< in these nothing is worked on
  std::vector<Window> refusing;   ///< the process is away: connections are reset and refused
  std::vector<Window> silent;     ///< the network is away: nothing arrives
  std::uint32_t close_after = 0;  ///< answers on one connection; 0: never
  bool announce_close = true;     ///< with `Connection: close` in the last of them
  double close_at_once = 0;       ///< share of the connections
  base::Duration idle_timeout = base::Duration::max();
  double no_answer = 0;  ///< share of the requests, as the next three
  double reset = 0;
  double malformed = 0;
  double status_500 = 0;
};

/// What happened as the target and the network saw it: what the engine's counts have to agree with.
struct Seen {
  std::uint64_t connected = 0;
  std::uint64_t connect_failed = 0;
  std::uint64_t requests = 0;
  std::uint64_t completed = 0;
  std::uint64_t status_500 = 0;
  std::uint64_t timeout = 0;
  std::uint64_t reset = 0;
  std::uint64_t malformed = 0;
  std::uint64_t abandoned = 0;  ///< closed by the client with a request under way
  std::uint64_t bytes_to_client = 0;
};

/// The transport's own disturbances.
struct Interference {
  base::Duration alarm_late_max{0};  ///< alarms ring up to this late, evenly distributed
  base::Duration send_work{0};       ///< CPU time of one send()
};

class Transport;

/// The target: takes requests, serves them first come, first served.
class Server {
 public:
  Server(World& world, const Behaviour& behaviour) : world_(world), behaviour_(behaviour) {}

  bool refusing() const { return within(behaviour_.refusing); }
  bool silent() const { return within(behaviour_.silent); }
  const Behaviour& behaviour() const noexcept { return behaviour_; }

  /// Serves a request and calls `done` when it has.
  void serve(base::Duration service_time, std::function<void()> done);

  Seen seen;

 private:
  struct Job {
    base::Duration service_time;
    std::function<void()> done;
  };
  bool within(const std::vector<Window>& windows) const;
  void begin(Job job);

  World& world_;
  const Behaviour& behaviour_;
  std::uint32_t busy_ = 0;
  std::deque<Job> queue_;
};

/// The engine's seam, on the simulated clock and network. Throws std::logic_error where its user
/// breaks the seam's contract.
class Transport final : public http::ClientTransport {
 public:
  Transport(World& world, Server& server, Interference interference, std::uint32_t number,
            const http::ClientOptions& options, http::ClientEvents& events);

  base::TimePoint now() const noexcept override { return world_.now(); }
  void connect(http::Slot slot) override;
  base::TimePoint send(http::Slot slot, std::string_view request, bool is_head) override;
  void close(http::Slot slot) override;
  void set_alarm(base::TimePoint when) override;
  void clear_alarm() override { ++alarm_number_; }
  void run() override;
  void stop() noexcept override { stopped_ = true; }
  void wake() noexcept override;

  /// When each request was sent, in order.
  const std::vector<base::TimePoint>& sends() const noexcept { return sends_; }
  /// When each attempt to connect was begun, in order.
  const std::vector<base::TimePoint>& attempts() const noexcept { return attempts_; }

 private:
  enum class State : std::uint8_t { closed, connecting, idle, busy };
  enum class Fate : std::uint8_t { answer, no_answer, reset, malformed };
  struct Connection {
    State state = State::closed;
    std::uint64_t operation = 0;   // tells an event of what is under way from one of the past
    std::uint64_t generation = 0;  // the same of the connection
    std::uint32_t answers = 0;
  };

  /// Calls `what` at `when` unless the slot has gone on to something else by then.
  void later(http::Slot slot, base::TimePoint when, std::function<void()> what);
  void established(http::Slot slot);
  void connect_failed(http::Slot slot, std::string_view reason);
  void served(http::Slot slot, Fate fate);
  void complete(http::Slot slot);
  void fail(http::Slot slot, http::Failure failure, std::uint64_t bytes_received);
  void become_idle(http::Slot slot);
  void peer_closes(http::Slot slot, std::uint64_t generation);
  Fate draw_fate();

  World& world_;
  Server& server_;
  const Interference interference_;
  const std::uint32_t number_;
  const base::Duration connect_timeout_;
  const base::Duration request_timeout_;
  http::ClientEvents& events_;
  std::vector<Connection> connections_;
  std::vector<base::TimePoint> sends_;
  std::vector<base::TimePoint> attempts_;
  std::uint64_t alarm_number_ = 0;
  bool stopped_ = false;
};

}  // namespace loadcore::load::simulated
