#include <pybind11/operators.h>
#include <pybind11/stl.h>

#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "categories.hpp"
#include "loadcore/histogram/encoding.hpp"
#include "loadcore/histogram/histogram.hpp"

namespace py = pybind11;

namespace loadcore::bindings {
namespace {

using histogram::Histogram;

double checked(double percentile) {
  if (percentile >= 0.0 && percentile <= 100.0) return percentile;
  throw py::value_error("percentile must be from 0 to 100, not " + std::to_string(percentile));
}

std::vector<std::int64_t> values_at(const Histogram& self, const std::vector<double>& percentiles) {
  for (const double percentile : percentiles) checked(percentile);
  return self.values_at_percentiles(percentiles);
}

std::vector<std::tuple<std::int64_t, std::int64_t, std::uint64_t>> buckets_of(
    const Histogram& self) {
  std::vector<std::tuple<std::int64_t, std::int64_t, std::uint64_t>> buckets;
  self.for_each_bucket([&](const Histogram::Bucket& bucket) {
    buckets.emplace_back(bucket.lowest_ns, bucket.highest_ns, bucket.count);
  });
  return buckets;
}

std::string described(const Histogram& self) {
  return "<loadcore.Histogram count=" + std::to_string(self.count()) +
         " min=" + std::to_string(self.min()) + " max=" + std::to_string(self.max()) + " (ns)>";
}

py::bytes encoded(const Histogram& self) { return py::bytes(histogram::encode(self)); }

Histogram decoded(const py::bytes& data) { return histogram::decode(std::string_view(data)); }

}  // namespace

// A Histogram has one owner at a time, and any Python thread can reach these. So every call keeps
// the GIL, which makes that owner the thread that holds it; none takes more than some 100 us.
void bind_histogram(py::module_& module) {
  py::class_<Histogram>(module, "Histogram")
      .def(py::init<>())
      .def(
          "record",
          [](Histogram& self, std::int64_t value_ns, std::uint64_t count) {
            self.record(value_ns, count);
          },
          py::arg("value_ns"), py::arg("count") = 1)
      .def("merge", &Histogram::merge, py::arg("other"))
      .def("reset", &Histogram::reset)
      .def(
          "value_at_percentile",
          [](const Histogram& self, double percentile) {
            return self.value_at_percentile(checked(percentile));
          },
          py::arg("percentile"))
      .def("values_at_percentiles", &values_at, py::arg("percentiles"))
      .def("count_between", &Histogram::count_between, py::arg("low_ns"), py::arg("high_ns"))
      .def("mean", &Histogram::mean)
      .def("stddev", &Histogram::stddev)
      .def("buckets", &buckets_of)
      .def("encode", &encoded)
      .def_static("decode", &decoded, py::arg("data"))
      .def_property_readonly("count", &Histogram::count)
      .def_property_readonly("min", &Histogram::min)
      .def_property_readonly("max", &Histogram::max)
      .def(py::self == py::self)
      .def("__copy__", [](const Histogram& self) { return Histogram(self); })
      .def(
          "__deepcopy__", [](const Histogram& self, const py::dict&) { return Histogram(self); },
          py::arg("memo"))
      .def("__repr__", &described)
      .def(py::pickle(&encoded, &decoded));
}

}  // namespace loadcore::bindings
