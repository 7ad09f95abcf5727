#include <pybind11/stl.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "categories.hpp"
#include "loadcore/base/error.hpp"
#include "loadcore/counter/service.hpp"
#include "service_limits.hpp"
#include "waiting.hpp"

namespace py = pybind11;

namespace loadcore::bindings {
namespace {

using counter::Service;

counter::Durability durability_of(const std::string& name) {
  if (name == "memory") return counter::Durability::memory;
  if (name == "os") return counter::Durability::os;
  if (name == "fsync") return counter::Durability::fsync;
  throw base::PlanError("durability", "must be memory, os or fsync");
}

counter::LogDetail log_detail_of(const std::string& name) {
  if (name == "off") return counter::LogDetail::off;
  if (name == "events") return counter::LogDetail::events;
  if (name == "requests") return counter::LogDetail::requests;
  throw base::PlanError("log", "must be off, events or requests");
}

std::uint16_t port_of(std::int64_t port, const char* field) {
  if (port < 0 || port > 65535) {
    throw base::PlanError(field, "must be 1 to 65535, or 0 for a free one");
  }
  return static_cast<std::uint16_t>(port);
}

counter::ServiceOptions options_of(const std::string& host, std::int64_t port, std::int64_t threads,
                                   const std::string& data, const std::string& durability,
                                   std::uint64_t users_max, std::uint64_t keys_max,
                                   std::int64_t key_age_ns, std::uint64_t snapshot_log_bytes) {
  counter::ServiceOptions options;
  options.server.host = host;
  options.server.port = port_of(port, "port");
  // Out of range stays out of range, for the server to refuse.
  options.server.threads = threads < 0 || threads > UINT16_MAX ? 0 : static_cast<unsigned>(threads);
  options.data_directory = data;
  options.durability = durability_of(durability);
  if (data.empty() != (options.durability == counter::Durability::memory)) {
    throw base::PlanError("durability", data.empty() ? "needs a data directory to keep likes in"
                                                     : "is memory, which keeps no data directory");
  }
  if (users_max == 0) throw base::PlanError("users_max", "must be 1 or more");
  if (keys_max == 0) throw base::PlanError("keys_max", "must be 1 or more");
  if (key_age_ns < 0) throw base::PlanError("key_age", "is negative; give 0 or more");
  if (snapshot_log_bytes == 0) throw base::PlanError("snapshot_log_bytes", "must be 1 or more");
  options.users_max = users_max;
  options.keys_max = keys_max;
  options.key_age_ms_max = key_age_ns / 1'000'000;
  options.snapshot_log_bytes = snapshot_log_bytes;
  return options;
}

std::unique_ptr<Service> make_service(
    const std::string& host, std::int64_t port, std::int64_t threads, const std::string& data,
    const std::string& durability, std::uint64_t users_max, std::uint64_t keys_max,
    std::int64_t key_age_ns, std::uint64_t snapshot_log_bytes, const std::string& admin_host,
    std::optional<std::int64_t> admin_port, const std::string& log, std::optional<int> listener,
    const std::map<std::string, std::int64_t>& limits) {
  auto options = options_of(host, port, threads, data, durability, users_max, keys_max, key_age_ns,
                            snapshot_log_bytes);
  if (admin_port) {
    options.admin = {.host = admin_host, .port = port_of(*admin_port, "admin_port")};
  }
  options.log = log_detail_of(log);
  options.server.listener = listener;
  set_limits(limits, options);
  // Looking a name up, and reading the log, may take seconds.
  const py::gil_scoped_release released;
  return std::make_unique<Service>(options);
}

bool wait(Service& service, std::optional<std::int64_t> timeout_ns) {
  return wait_with_signals(timeout_ns,
                           [&service](base::Duration span) { return service.wait_stopped(span); });
}

bool stop(Service& service, std::int64_t drain_ns) {
  if (drain_ns < 0) throw base::PlanError("drain", "is negative; give 0 or more");
  service.stop(base::Duration(drain_ns));
  wait(service, std::nullopt);
  return service.cut_off() == 0;
}

py::dict stats(const Service& service) {
  const counter::ServiceStats counts = service.stats();
  py::dict connections;
  connections["open"] = counts.server.open;
  connections["accepted"] = counts.server.accepted;
  connections["turned_away"] = counts.server.turned_away;
  connections["turned_away_by_address"] = counts.server.turned_away_by_address;
  connections["timed_out"] = counts.server.timed_out;
  connections["cut_off"] = service.cut_off();
  connections["accept_errors"] = counts.server.accept_errors;
  py::dict result;
  result["routes"] = counts.routes;
  result["statuses"] = counts.server.answers;
  result["connections"] = connections;
  result["users"] = counts.store.users;
  result["likes"] = counts.store.likes;
  py::dict durable;
  durable["sequence"] = counts.durable.sequence;
  durable["log_bytes"] = counts.durable.log_bytes;
  durable["snapshots"] = counts.durable.snapshots;
  durable["snapshot_failures"] = counts.durable.snapshot_failures;
  durable["keys"] = counts.durable.keys;
  durable["keys_forgotten_early"] = counts.durable.keys_forgotten_early;
  durable["recovered_frames"] = counts.durable.recovered_frames;
  durable["torn_bytes"] = counts.durable.torn_bytes;
  result["durable"] = durable;
  return result;
}

constexpr std::int64_t drain_ns_default = 5'000'000'000;

}  // namespace

void bind_counter(py::module_& module) {
  const counter::ServiceOptions standard;
  // Its threads never touch Python, so they go on whoever holds the GIL, and its destructor, which
  // stops without draining, may wait for them with the GIL held.
  py::class_<Service>(module, "Service")
      .def(py::init(&make_service), py::kw_only(), py::arg("host") = "127.0.0.1",
           py::arg("port") = 0, py::arg("threads") = 1, py::arg("data") = "",
           py::arg("durability") = "memory", py::arg("users_max") = standard.users_max,
           py::arg("keys_max") = standard.keys_max,
           py::arg("key_age_ns") = standard.key_age_ms_max * 1'000'000,
           py::arg("snapshot_log_bytes") = standard.snapshot_log_bytes,
           py::arg("admin_host") = counter::AdminOptions().host, py::arg("admin_port") = py::none(),
           py::arg("log") = "off", py::arg("listener") = py::none(),
           py::arg("limits") = std::map<std::string, std::int64_t>())
      .def_property_readonly("port", &Service::port)
      .def_property_readonly("url", &Service::url)
      .def_property_readonly("admin_url", &Service::admin_url)
      .def("stop", &stop, py::arg("drain_ns") = drain_ns_default)
      .def("wait", &wait, py::arg("timeout_ns") = py::none())
      .def("stats", &stats)
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](Service& service, const py::args&) { stop(service, drain_ns_default); });
}

}  // namespace loadcore::bindings
