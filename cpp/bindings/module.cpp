#include "categories.hpp"
#include "errors.hpp"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The C++ core of loadcore; use the loadcore package, not this module";
  loadcore::bindings::bind_errors(module);
  loadcore::bindings::bind_care(module);
  loadcore::bindings::bind_counter(module);
  loadcore::bindings::bind_histogram(module);
  loadcore::bindings::bind_load(module);
}
