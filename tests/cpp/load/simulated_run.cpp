#include "simulated_run.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "load/run_control.hpp"
#include "load/worker.hpp"
#include "loadcore/http/request.hpp"
#include "loadcore/http/url.hpp"

namespace loadcore::load::simulated {

using base::TimePoint;

Plan make_plan() {
  Plan plan;
  plan.url = "http://simulated/";
  return plan;
}

Result simulate(const Plan& plan, const Behaviour& behaviour, const Settings& settings) {
  validate(plan);
  World world(settings.seed);
  Server server(world, behaviour);
  std::vector<Transport*> transports;
  const auto make_transport = [&](const http::ClientOptions& options, http::ClientEvents& events) {
    auto transport =
        std::make_unique<Transport>(world, server, settings.interference,
                                    static_cast<std::uint32_t>(transports.size()), options, events);
    transports.push_back(transport.get());
    return transport;
  };

  const http::Url url = http::parse_url(plan.url);
  const WorkerSetup setup{plan, url, http::serialize({plan.method, url, plan.headers, plan.body})};
  std::vector<std::unique_ptr<Worker>> workers;
  RunControl control(
      plan.threads,
      plan.open_loop() ? RunControl::unbounded : plan.requests.value_or(RunControl::unbounded),
      [&workers] {
        for (auto& worker : workers) worker->wake();
      });
  for (std::uint32_t index = 0; index < plan.threads; ++index) {
    workers.push_back(std::make_unique<Worker>(setup, index, control, make_transport));
  }
  for (const Stop& stop : settings.stops) {
    world.at(World::epoch + stop.at, [&world, &control, &stop] {
      control.stop(stop.drain ? world.now() + *stop.drain : TimePoint::max());
    });
  }
  for (std::size_t index = 1; index < workers.size(); ++index) {
    world.not_yet_started.push_back([&worker = *workers[index]] { worker.run(); });
  }
  workers.front()->run();

  Result result;
  for (std::size_t index = 0; index < workers.size(); ++index) {
    const Worker& worker = *workers[index];
    WorkerResult& one = result.workers.emplace_back();
    worker.recorder().add_to(result.report);
    worker.recorder().read([&one](const Recorder::Published& seen) { one.rows = seen.rows; });
    one.thread = worker.report();
    one.sends = transports[index]->sends();
    one.attempts = transports[index]->attempts();
    one.sending_ended = worker.sending_ended();
    one.ended = worker.ended();
    one.stopped_early = worker.stopped_early();
    result.ended = std::max(result.ended, one.ended);
  }
  result.seen = server.seen;
  result.started = control.has_started();
  result.unreachable = control.unreachable();
  result.start = control.started();
  result.request_bytes = setup.request.size();
  return result;
}

}  // namespace loadcore::load::simulated
