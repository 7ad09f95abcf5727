#include "loadcore/histogram/interval_recorder.hpp"

#include "loadcore/histogram/encoding.hpp"

namespace loadcore::histogram {

std::string IntervalRecorder::harvest() {
  std::string encoded = encode(interval_);
  harvested_.merge(interval_);
  interval_.reset();
  return encoded;
}

Histogram IntervalRecorder::total() const {
  Histogram all = harvested_;
  all.merge(interval_);
  return all;
}

}  // namespace loadcore::histogram
