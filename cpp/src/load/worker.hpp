#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "load/arrivals.hpp"
#include "load/recorder.hpp"
#include "load/run_control.hpp"
#include "load/slot_queue.hpp"
#include "loadcore/http/client.hpp"
#include "loadcore/load/engine.hpp"
#include "loadcore/load/plan.hpp"

namespace loadcore::load {

/// What the workers of one run have in common, made from the plan once.
struct WorkerSetup {
  const Plan& plan;
  http::Url url;
  std::string request;  ///< serialised
};

/// One thread of a run: its connections, its share of the schedule, its measurements. All methods
/// but wake() and recorder().read() are for the one thread that calls run().
class Worker final : public http::ClientEvents {
 public:
  Worker(const WorkerSetup& setup, std::uint32_t index, RunControl& control,
         const Engine::TransportFactory& make_transport);

  /// The whole run, on this thread.
  void run();
  /// Makes the worker look at its RunControl. From any thread.
  void wake() noexcept { transport_->wake(); }

  const Recorder& recorder() const noexcept { return recorder_; }
  /// The rest once run() has returned.
  ThreadReport report() const;
  base::TimePoint measured_start() const noexcept { return measured_start_; }
  /// When sending ended, and when the last answer had come.
  base::TimePoint sending_ended() const noexcept { return sending_ended_; }
  base::TimePoint ended() const noexcept { return ended_; }
  /// Whether stop() ended it before its plan did.
  bool stopped_early() const noexcept { return stopped_early_; }

  void connected(http::Slot slot) override;
  void connect_failed(http::Slot slot, std::string_view reason) override;
  void answered(http::Slot slot, const http::Response& answer) override;
  void failed(http::Slot slot, http::Failure failure, std::uint64_t bytes_received) override;
  void closed(http::Slot slot) override;
  void alarm() override;

 private:
  enum class Phase : std::uint8_t { connecting, running, draining, done };
  enum class Ending : std::uint8_t { time_over, stopped, requests_exhausted };

  struct Connection {
    enum class State : std::uint8_t { closed, connecting, idle, busy };
    State state = State::closed;
    bool has_request = false;  ///< connecting for a request, which fails with the attempt
    std::uint32_t failures = 0;
    Start start;
    base::TimePoint free_since;
  };

  void connect(http::Slot slot, base::TimePoint now);
  void tried_to_connect(base::TimePoint now);
  void step_connecting(base::TimePoint now);
  void begin_running(base::TimePoint now);

  void become_free(http::Slot slot, base::TimePoint now);
  void begin_request(http::Slot slot, base::TimePoint now);
  void send(http::Slot slot);
  void pump(base::TimePoint now);
  void rest(http::Slot slot, base::TimePoint until);
  void recover(http::Slot slot, base::TimePoint now);
  void resume(http::Slot slot, base::TimePoint now);

  void step_running(base::TimePoint now);
  void measure(base::TimePoint now);
  void begin_draining(Ending ending, base::TimePoint now);
  void give_up_outstanding();
  void finish_if_drained(base::TimePoint now);
  void finish(base::TimePoint now);
  void rearm();

  const Plan& plan_;
  const std::string& request_;
  const bool is_head_;
  RunControl& control_;
  const std::uint32_t connection_count_;
  std::unique_ptr<http::ClientTransport> transport_;
  std::optional<Arrivals> arrivals_;  // of an open loop
  Recorder recorder_;
  std::minstd_rand random_;

  std::vector<Connection> connections_;
  SlotQueue idle_;  // open loop: those free the longest are at its front
  using WakeUp = std::pair<base::TimePoint, http::Slot>;
  std::priority_queue<WakeUp, std::vector<WakeUp>, std::greater<>> wake_ups_;

  Phase phase_ = Phase::connecting;
  std::uint32_t not_yet_tried_;
  std::uint32_t open_ = 0;  // connections made before the start
  bool ready_ = false;
  base::TimePoint connecting_deadline_;
  std::uint32_t outstanding_ =
      0;  // requests under way, those waiting for their connection included
  base::TimePoint armed_for_ = base::TimePoint::max();
  base::TimePoint next_due_ = base::TimePoint::max();

  base::TimePoint started_{};
  base::TimePoint measured_start_{};
  base::TimePoint sending_end_{};  // by the plan
  base::TimePoint sending_ended_{};
  base::TimePoint ended_{};
  bool measuring_ = false;
  bool stopped_early_ = false;
  base::Duration cpu_at_start_{0};
  base::Duration cpu_{0};
};

/// When `plan` says that sending ends, since the start of what is measured; Duration::max() for a
/// closed loop bounded by count.
base::Duration sending_length(const Plan& plan);

}  // namespace loadcore::load
