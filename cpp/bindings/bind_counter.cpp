#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "categories.hpp"
#include "loadcore/base/error.hpp"
#include "loadcore/counter/service.hpp"
#include "waiting.hpp"

namespace py = pybind11;

namespace loadcore::bindings {
namespace {

using counter::Service;

counter::ServiceOptions options_of(const std::string& host, std::int64_t port,
                                   std::int64_t threads) {
  if (port < 0 || port > 65535) {
    throw base::PlanError("port", "must be 1 to 65535, or 0 for a free one");
  }
  counter::ServiceOptions options;
  options.server.host = host;
  options.server.port = static_cast<std::uint16_t>(port);
  // Out of range stays out of range, for the server to refuse.
  options.server.threads = threads < 0 || threads > UINT16_MAX ? 0 : static_cast<unsigned>(threads);
  return options;
}

std::unique_ptr<Service> make_service(const std::string& host, std::int64_t port,
                                      std::int64_t threads) {
  const auto options = options_of(host, port, threads);
  // Looking a name up may take seconds.
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
  connections["timed_out"] = counts.server.timed_out;
  connections["cut_off"] = service.cut_off();
  connections["accept_errors"] = counts.server.accept_errors;
  py::dict result;
  result["routes"] = counts.routes;
  result["statuses"] = counts.server.answers;
  result["connections"] = connections;
  result["users"] = counts.store.users;
  result["likes"] = counts.store.likes;
  return result;
}

constexpr std::int64_t drain_ns_default = 5'000'000'000;

}  // namespace

void bind_counter(py::module_& module) {
  // Its threads never touch Python, so they go on whoever holds the GIL, and its destructor, which
  // stops without draining, may wait for them with the GIL held.
  py::class_<Service>(module, "Service")
      .def(py::init(&make_service), py::kw_only(), py::arg("host") = "127.0.0.1",
           py::arg("port") = 0, py::arg("threads") = 1)
      .def_property_readonly("port", &Service::port)
      .def_property_readonly("url", &Service::url)
      .def("stop", &stop, py::arg("drain_ns") = drain_ns_default)
      .def("wait", &wait, py::arg("timeout_ns") = py::none())
      .def("stats", &stats)
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](Service& service, const py::args&) { stop(service, drain_ns_default); });
}

}  // namespace loadcore::bindings
