#pragma once

#include <pybind11/pybind11.h>

namespace loadcore::bindings {

/// Adds PlanError(ValueError), whose args are (field, sentence), RunError(RuntimeError) and
/// DataError(RunError) to the module; from then on those of base leave any binding as these.
void bind_errors(pybind11::module_& module);

}  // namespace loadcore::bindings
