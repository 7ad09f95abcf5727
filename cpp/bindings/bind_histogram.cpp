#include "categories.hpp"
#include <pybind11/operators.h>

#include "loadcore/histogram/histogram.hpp"

namespace py = pybind11;

namespace loadcore::bindings {

void bind_histogram(py::module_& module) {
  using histogram::Histogram;
  py::class_<Histogram>(module, "Histogram")
      .def(py::init<>())
      .def("record", &Histogram::record, py::arg("value_ns"), py::arg("count") = 1)
      .def("merge", &Histogram::merge, py::arg("other"))
      .def("value_at_percentile", &Histogram::value_at_percentile, py::arg("percentile"))
      .def("mean", &Histogram::mean)
      .def_property_readonly("count", &Histogram::count)
      .def_property_readonly("min", &Histogram::min)
      .def_property_readonly("max", &Histogram::max)
      .def(py::self == py::self);
}

}  // namespace loadcore::bindings
