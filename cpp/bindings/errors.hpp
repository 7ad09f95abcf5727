#pragma once

#include <pybind11/pybind11.h>

namespace loadcore::bindings {

/// Adds PlanError(ValueError), whose args are (field, sentence), and RunError(RuntimeError) to the
/// module; from then on base::PlanError and base::RunError leave any binding as these.
void bind_errors(pybind11::module_& module);

}  // namespace loadcore::bindings
