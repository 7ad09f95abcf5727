// What a histogram costs on a load thread: nanoseconds a record and microseconds a harvest, the
// best of some rounds. For user-space instructions a record, which repeat exactly:
//
//   valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no
//     --toggle-collect=record_values build/release/tests/bench_histogram 1
//
// (the argument is the number of rounds), whose "Collected" line divided by the number of records
// printed is instructions a record, the loop around it included.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "loadcore/base/clock.hpp"
#include "loadcore/histogram/encoding.hpp"
#include "loadcore/histogram/interval_recorder.hpp"

using loadcore::histogram::Histogram;
using loadcore::histogram::IntervalRecorder;

extern "C" [[gnu::noinline]] void record_values(IntervalRecorder& recorder,
                                                const std::vector<std::int64_t>& values) {
  for (const std::int64_t value : values) recorder.record(value);
}

namespace {

constexpr std::size_t records = 100'000;

// Answers of a busy loopback service: around 150 us, a tail up to seconds.
std::vector<std::int64_t> durations() {
  std::mt19937_64 random(20261121);
  std::lognormal_distribution<double> usual(11.9, 0.35), slow(16.0, 2.0);
  std::vector<std::int64_t> values(records);
  for (std::size_t i = 0; i < records; ++i) {
    values[i] = static_cast<std::int64_t>(i % 100 == 0 ? slow(random) : usual(random));
  }
  return values;
}

struct Best {
  double ns = 1e18;
  template <typename Work>
  void time(Work&& work) {
    const auto start = loadcore::base::now();
    work();
    ns = std::min(ns, static_cast<double>((loadcore::base::now() - start).count()));
  }
};

}  // namespace

int main(int argc, char** argv) {
  const int rounds =
      argc > 1 ? static_cast<int>(std::clamp(std::strtol(argv[1], nullptr, 10), 1L, 1000L)) : 20;
  const auto values = durations();
  const double asked[] = {50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99};
  IntervalRecorder recorder;
  Best record, harvest, decode, merge, percentiles;
  std::size_t bytes = 0;
  Histogram total;
  for (int round = 0; round < rounds; ++round) {
    record.time([&] { record_values(recorder, values); });
    std::string interval;
    harvest.time([&] { interval = recorder.harvest(); });
    bytes = interval.size();
    Histogram decoded;
    decode.time([&] { decoded = loadcore::histogram::decode(interval); });
    merge.time([&] { total.merge(decoded); });
    percentiles.time([&] { total.values_at_percentiles(asked); });
  }
  if (total.count() != records * static_cast<std::uint64_t>(rounds)) return EXIT_FAILURE;
  std::printf("%zu records, %.2f ns each\n", records, record.ns / records);
  std::printf("harvest of an interval of them: %.1f us, %zu bytes\n", harvest.ns / 1e3, bytes);
  std::printf("decode: %.1f us, merge: %.1f us, 7 percentiles: %.1f us\n", decode.ns / 1e3,
              merge.ns / 1e3, percentiles.ns / 1e3);
}
