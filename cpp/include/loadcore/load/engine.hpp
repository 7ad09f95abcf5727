#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "loadcore/base/clock.hpp"
#include "loadcore/http/client.hpp"
#include "loadcore/load/plan.hpp"
#include "loadcore/load/report.hpp"

namespace loadcore::load {

/// One load run: plan → schedule → workers → report. Every method may be called from any thread.
class Engine {
 public:
  using TransportFactory = std::function<std::unique_ptr<http::ClientTransport>(
      const http::ClientOptions&, http::ClientEvents&)>;

  /// Checks the plan (validate()) and sends nothing yet; throws base::PlanError.
  explicit Engine(Plan plan, TransportFactory make_transport = http::make_transport);
  /// Ends a run that is under way at once.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Starts the threads and returns; once. Throws base::RunError where the system has none to give.
  void start();

  /// Starts nothing new. Outstanding answers are waited for, up to the request timeout, or for
  /// `drain` where that is given; what has not come by then counts as timed out.
  void stop(std::optional<base::Duration> drain = std::nullopt) noexcept;

  /// True once the run is over; waits up to `timeout` for that.
  bool wait_for(base::Duration timeout);

  Progress progress() const;

  /// Of a run that is over (an assertion). Aborts if the accounting does not balance.
  Report report() const;

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

}  // namespace loadcore::load
