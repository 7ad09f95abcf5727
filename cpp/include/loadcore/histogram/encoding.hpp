#pragma once

#include <string>
#include <string_view>

#include "loadcore/histogram/histogram.hpp"

namespace loadcore::histogram {

/// The histogram as HdrHistogram's V2 encoding has it before compression: a header of 40 bytes,
/// then the counts up to the last that is not 0 as ZigZag LEB128 numbers of at most 9 bytes, where
/// a negative number stands for that many zeros. Big-endian, the same on every machine; a few
/// hundred bytes for the answers of one interval, 304 KB at the very most.
/// Throws std::bad_alloc only.
std::string encode(const Histogram& histogram);

/// What encode() or another implementation of HdrHistogram wrote. A histogram of another range or
/// precision is recorded anew, bucket by bucket at its middle: without loss if its buckets are
/// nowhere wider than ours. Counts whose sum would overflow stop at Histogram::count_max.
///
/// Takes any bytes: throws std::invalid_argument, one sentence without a full stop, if they are
/// damaged, incomplete, of another encoding, or hold a value above Histogram::highest_ns. Time and
/// memory are bounded by the length of `data`.
Histogram decode(std::string_view data);

}  // namespace loadcore::histogram
