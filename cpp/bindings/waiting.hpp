#pragma once

#include <pybind11/pybind11.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "loadcore/base/clock.hpp"

namespace loadcore::bindings {

/// Waits until `done(slice)` is true, in slices short enough for Ctrl-C to be felt; false once
/// `timeout_ns` is over. `done` waits up to the slice it is given, without the GIL. What a signal's
/// handler raises (KeyboardInterrupt, above all) comes out of here.
///
/// No gil_scoped_release: when the interpreter ends while a daemon thread waits here, Python (up to
/// 3.13) ends that thread from inside PyEval_RestoreThread by unwinding it, and that may not pass
/// through a destructor. `done` must not throw.
template <typename Done>
bool wait_with_signals(std::optional<std::int64_t> timeout_ns, Done done) {
  constexpr base::Duration slice = std::chrono::milliseconds(50);
  const base::TimePoint begin = base::now();
  while (true) {
    base::Duration span = slice;
    if (timeout_ns) {
      const base::Duration left = base::Duration(*timeout_ns) - (base::now() - begin);
      span = std::clamp(left, base::Duration(0), slice);
    }
    PyThreadState* const state = PyEval_SaveThread();
    const bool is_done = done(span);
    PyEval_RestoreThread(state);
    if (is_done) return true;
    if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
    if (span < slice) return false;
  }
}

}  // namespace loadcore::bindings
