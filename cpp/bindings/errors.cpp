#include "errors.hpp"

#include <string>

#include "loadcore/base/error.hpp"

namespace py = pybind11;

namespace loadcore::bindings {
namespace {

// The interpreter may end before the last thread that translates an error, so these are never
// given back.
PyObject* plan_error = nullptr;
PyObject* run_error = nullptr;
PyObject* data_error = nullptr;

PyObject* add_exception(py::module_& module, const char* name, const char* doc, PyObject* base) {
  const std::string full_name = std::string(py::str(module.attr("__name__"))) + "." + name;
  PyObject* type = PyErr_NewExceptionWithDoc(full_name.c_str(), doc, base, nullptr);
  if (type == nullptr) throw py::error_already_set();
  module.add_object(name, py::handle(type));
  return type;
}

void translate(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const base::PlanError& error) {
    const py::tuple args = py::make_tuple(error.field(), error.what());
    PyErr_SetObject(plan_error, args.ptr());
  } catch (const base::DataError& error) {
    PyErr_SetString(data_error, error.what());
  } catch (const base::RunError& error) {
    PyErr_SetString(run_error, error.what());
  }
}

}  // namespace

void bind_errors(py::module_& module) {
  plan_error = add_exception(module, "PlanError",
                             "A plan that cannot be carried out; `args` is (field, sentence).",
                             PyExc_ValueError);
  run_error =
      add_exception(module, "RunError", "Something sound that could not be carried out here.",
                    PyExc_RuntimeError);
  data_error = add_exception(module, "DataError", "A data directory that cannot be used as it is.",
                             run_error);
  py::register_local_exception_translator(&translate);
}

}  // namespace loadcore::bindings
