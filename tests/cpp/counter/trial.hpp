#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "loadcore/counter/durable_likes.hpp"
#include "reference.hpp"
#include "simulated_disk.hpp"

namespace loadcore::counter::simulated {

/// A broken promise: what() says which.
class BrokenPromise : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A durable store on a simulated disk, held against the reference at every step. Throws
/// BrokenPromise where they differ. One thread.
class Trial {
 public:
  explicit Trial(const DurableOptions& options, std::uint64_t seed = 0);
  /// Begins with `files`, which hold what `sure` says.
  Trial(const DurableOptions& options, const Reference& sure, const Files& files);
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  SimulatedDisk& disk() noexcept { return *disk_; }
  const SimulatedDisk& disk() const noexcept { return *disk_; }
  DurableLikes* store() noexcept { return store_.get(); }
  const Reference& sure() const noexcept { return sure_; }
  std::int64_t now_ms() const noexcept { return now_ms_; }
  void pass(std::int64_t ms) noexcept { now_ms_ += ms; }

  /// A process starts; false where the store could not, for a fault of the disk.
  bool start();
  /// The process ends as it should.
  void stop() { store_.reset(); }
  /// The process dies; what it was writing may turn out to be counted.
  void kill();
  /// The power goes, the process with it; the disk is as `loss` says.
  void lose_power(const PowerLoss& loss);

  /// Adds to the store and to the reference. Nothing where no process is up.
  void add(const Batch& batch);
  bool take_snapshot();

  /// Whether recovery from `files` gives all that was acknowledged, and else no more than the
  /// batch whose fate is unknown; returns which of the two it was.
  Reference recovered(const Files& files) const;

 private:
  void judge(const std::vector<Addition>& answers, const std::vector<Addition>& expected,
             const Batch& batch, Reference&& next, bool failed_before);

  DurableOptions options_;
  std::int64_t now_ms_ = 1'000'000;
  std::unique_ptr<SimulatedDisk> disk_;
  std::unique_ptr<DurableLikes> store_;
  Reference sure_;                  // acknowledged
  std::optional<Reference> maybe_;  // and the batch that nobody was told of
};

}  // namespace loadcore::counter::simulated
