#pragma once

#include <pybind11/pybind11.h>

namespace loadcore::bindings {

void bind_care(pybind11::module_& module);
void bind_counter(pybind11::module_& module);
void bind_histogram(pybind11::module_& module);
void bind_load(pybind11::module_& module);

}  // namespace loadcore::bindings
