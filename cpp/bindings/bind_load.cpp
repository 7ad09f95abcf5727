#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "categories.hpp"
#include "loadcore/load/engine.hpp"
#include "waiting.hpp"

namespace py = pybind11;

namespace loadcore::bindings {
namespace {

using base::Duration;
using load::Engine;

std::optional<Duration> optional_span(std::optional<std::int64_t> ns) {
  if (!ns) return std::nullopt;
  return Duration(*ns);
}

py::dict dict_of(const load::Counts& counts) {
  py::dict out;
  out["scheduled"] = counts.scheduled;
  out["sent"] = counts.sent;
  out["completed"] = counts.completed;
  out["dropped"] = counts.dropped;
  out["unsent"] = counts.unsent;
  out["connect"] = counts.connect;
  out["timeout"] = counts.timeout;
  out["reset"] = counts.reset;
  out["protocol"] = counts.protocol;
  out["status"] = counts.status;
  return out;
}

py::dict dict_of(const load::IntervalRow& row) {
  py::dict out = dict_of(row.counts);
  out["start_ns"] = row.start.count();
  out["length_ns"] = row.length.count();
  out["bytes_sent"] = row.bytes_sent;
  out["bytes_received"] = row.bytes_received;
  out["latency"] = py::bytes(row.latency);
  out["service"] = py::bytes(row.service);
  out["send_lag"] = py::bytes(row.send_lag);
  return out;
}

py::dict dict_of(const load::ThreadReport& thread) {
  py::dict out;
  out["cpu_ns"] = thread.cpu.count();
  out["wall_ns"] = thread.wall.count();
  out["connections"] = thread.connections;
  out["sent"] = thread.sent;
  out["late_p50_ns"] = thread.late_p50.count();
  out["late_p99_ns"] = thread.late_p99.count();
  out["late_max_ns"] = thread.late_max.count();
  return out;
}

template <typename Values>
py::list list_of_dicts(const Values& values) {
  py::list out;
  for (const auto& value : values) out.append(dict_of(value));
  return out;
}

const char* name_of(load::Outcome outcome) {
  switch (outcome) {
    case load::Outcome::completed:
      return "completed";
    case load::Outcome::stopped:
      return "stopped";
    case load::Outcome::unreachable:
      return "unreachable";
  }
  return "";
}

const char* name_of(load::VerdictState state) {
  switch (state) {
    case load::VerdictState::valid:
      return "valid";
    case load::VerdictState::suspect:
      return "suspect";
    case load::VerdictState::generator_bound:
      return "generator-bound";
  }
  return "";
}

const char* name_of(load::Phase phase) {
  switch (phase) {
    case load::Phase::connecting:
      return "connecting";
    case load::Phase::warmup:
      return "warmup";
    case load::Phase::running:
      return "running";
    case load::Phase::draining:
      return "draining";
    case load::Phase::done:
      return "done";
  }
  return "";
}

py::dict dict_of(load::Report report) {
  py::dict out;
  out["outcome"] = name_of(report.outcome);
  out["reason"] = report.reason;
  out["started_unix_ns"] = report.started_unix_ns;
  out["duration_ns"] = report.duration.count();
  out["elapsed_ns"] = report.elapsed.count();
  out["counts"] = dict_of(report.counts);
  out["warmup_counts"] = dict_of(report.warmup_counts);
  py::dict codes;
  for (const auto& [code, count] : report.status_codes) codes[py::int_(code)] = count;
  out["status_codes"] = codes;
  out["bytes_sent"] = report.bytes_sent;
  out["bytes_received"] = report.bytes_received;
  out["connects"] = report.connects;
  out["latency"] = std::move(report.latency);
  out["service"] = std::move(report.service);
  out["send_lag"] = std::move(report.send_lag);
  out["generator_late"] = std::move(report.generator_late);
  out["blocked"] = std::move(report.blocked);
  out["intervals"] = list_of_dicts(report.intervals);
  out["threads"] = list_of_dicts(report.threads);
  out["verdict"] = name_of(report.verdict.state);
  out["reasons"] = report.verdict.reasons;
  return out;
}

py::dict dict_of(const load::Progress& progress) {
  py::dict out;
  out["phase"] = name_of(progress.phase);
  out["elapsed_ns"] = progress.elapsed.count();
  out["remaining_ns"] = progress.remaining ? py::object(py::int_(progress.remaining->count()))
                                           : py::object(py::none());
  out["counts"] = dict_of(progress.counts);
  out["rate_rps"] = progress.rate_rps;
  out["p50_ns"] = progress.p50.count();
  out["p99_ns"] = progress.p99.count();
  return out;
}

/// The engine ends its run when it is destroyed, which takes a moment: others may have Python.
struct DestroyWithoutGil {
  void operator()(Engine* engine) const {
    const py::gil_scoped_release release;
    delete engine;
  }
};
using EngineHolder = std::unique_ptr<Engine, DestroyWithoutGil>;

using Headers = std::vector<std::pair<std::string, std::string>>;

EngineHolder make_engine(std::string url, std::string name, std::string method, Headers headers,
                         const py::bytes& body, std::optional<double> rate_rps,
                         std::optional<std::uint64_t> requests,
                         std::optional<std::int64_t> duration_ns, std::int64_t warmup_ns,
                         std::int64_t think_time_ns, std::optional<std::int64_t> drop_after_ns,
                         std::uint32_t connections, std::uint32_t threads, std::int64_t timeout_ns,
                         std::int64_t connect_timeout_ns, std::int64_t interval_ns) {
  load::Plan plan;
  plan.url = std::move(url);
  plan.name = std::move(name);
  plan.method = std::move(method);
  plan.headers = std::move(headers);
  plan.body = std::string(body);
  plan.rate_rps = rate_rps;
  plan.requests = requests;
  plan.duration = optional_span(duration_ns);
  plan.warmup = Duration(warmup_ns);
  plan.think_time = Duration(think_time_ns);
  plan.drop_after = optional_span(drop_after_ns);
  plan.connections = connections;
  plan.threads = threads;
  plan.timeout = Duration(timeout_ns);
  plan.connect_timeout = Duration(connect_timeout_ns);
  plan.interval = Duration(interval_ns);
  const py::gil_scoped_release release;
  return EngineHolder(new Engine(std::move(plan)));
}

load::Report report_of(const Engine& engine) {
  const py::gil_scoped_release release;
  return engine.report();
}

load::Progress progress_of(const Engine& engine) {
  const py::gil_scoped_release release;
  return engine.progress();
}

}  // namespace

void bind_load(py::module_& module) {
  const load::Plan standard;
  py::class_<Engine, EngineHolder>(module, "Engine")
      .def(py::init(&make_engine), py::kw_only(), py::arg("url"), py::arg("name") = standard.name,
           py::arg("method") = standard.method, py::arg("headers") = Headers(),
           py::arg("body") = py::bytes(), py::arg("rate_rps") = py::none(),
           py::arg("requests") = py::none(), py::arg("duration_ns") = py::none(),
           py::arg("warmup_ns") = 0, py::arg("think_time_ns") = 0,
           py::arg("drop_after_ns") = py::none(), py::arg("connections") = standard.connections,
           py::arg("threads") = standard.threads, py::arg("timeout_ns") = standard.timeout.count(),
           py::arg("connect_timeout_ns") = standard.connect_timeout.count(),
           py::arg("interval_ns") = standard.interval.count())
      .def("start", &Engine::start, py::call_guard<py::gil_scoped_release>())
      .def(
          "stop",
          [](Engine& self, std::optional<std::int64_t> drain_ns) {
            const py::gil_scoped_release release;
            self.stop(optional_span(drain_ns));
          },
          py::arg("drain_ns") = py::none())
      .def(
          "wait",
          [](Engine& self, std::optional<std::int64_t> timeout_ns) {
            return wait_with_signals(timeout_ns,
                                     [&self](Duration slice) { return self.wait_for(slice); });
          },
          py::arg("timeout_ns") = py::none())
      .def("progress", [](const Engine& self) { return dict_of(progress_of(self)); })
      .def("result", [](const Engine& self) { return dict_of(report_of(self)); });
}

}  // namespace loadcore::bindings
