#include "trial.hpp"

#include <utility>

#include "counter/recovery.hpp"
#include "loadcore/base/error.hpp"

namespace loadcore::counter::simulated {
namespace {

void require(bool kept, const std::string& what) {
  if (!kept) throw BrokenPromise(what);
}

KeyWindowOptions window_of(const DurableOptions& options) {
  return {options.key_age_ms_max, options.keys_max};
}

Recovered recover_or_break(Disk& disk, const KeyWindowOptions& keys) {
  try {
    return recover(disk, keys);
  } catch (const base::RunError& error) {
    throw BrokenPromise(error.what());
  }
}

bool is_refusal(Outcome outcome) {
  return outcome == Outcome::key_conflict || outcome == Outcome::full ||
         outcome == Outcome::overflow;
}

}  // namespace

Trial::Trial(const DurableOptions& options, std::uint64_t seed)
    : Trial(options, Reference(options), {}) {
  disk_ = std::make_unique<SimulatedDisk>(Files{}, seed);
}

Trial::Trial(const DurableOptions& options, const Reference& sure, const Files& files)
    : options_(options), disk_(std::make_unique<SimulatedDisk>(files)), sure_(sure) {
  options_.clock_ms = [this] { return now_ms_; };
}

bool Trial::start() {
  Reference held = recovered(disk_->files());
  try {
    store_ = std::make_unique<DurableLikes>(disk_->open(), options_);
  } catch (const base::RunError&) {
    return false;
  }
  for (const auto& [user, total] : held.totals()) {
    require(store_->get(user) == total, user + " is not what recovery finds");
  }
  require(store_->stats().users == held.totals().size(), "users that recovery does not find");
  // What it holds now it shows, and must not lose any more.
  sure_ = std::move(held);
  maybe_.reset();
  return true;
}

void Trial::kill() {
  disk_->kill();
  store_.reset();
}

void Trial::lose_power(const PowerLoss& loss) {
  Files files = disk_->after(loss);
  kill();
  disk_ = std::make_unique<SimulatedDisk>(files, loss.seed);
}

void Trial::add(const Batch& batch) {
  if (!store_) return;
  Reference next = sure_;
  const std::vector<Addition> expected = next.add(batch, now_ms_);
  std::vector<Addition> answers = additions(batch);
  const bool failed_before = !store_->failure().empty();
  store_->add(answers);
  judge(answers, expected, batch, std::move(next), failed_before);
  for (const Like& like : batch) {
    require(store_->get(like.user) == sure_.total(like.user),
            like.user + " shows what is not safe, or does not show what is");
  }
}

void Trial::judge(const std::vector<Addition>& answers, const std::vector<Addition>& expected,
                  const Batch& batch, Reference&& next, bool failed_before) {
  bool unavailable = false;
  for (const Addition& answer : answers) unavailable |= answer.outcome == Outcome::unavailable;
  bool counts = false;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    counts |= expected[i].outcome == Outcome::counted;
    const bool as_expected =
        answers[i].outcome == expected[i].outcome && answers[i].total == expected[i].total;
    const bool taken_back =
        answers[i].outcome == Outcome::unavailable && !is_refusal(expected[i].outcome);
    require(unavailable && !is_refusal(expected[i].outcome) ? taken_back : as_expected,
            "addition " + std::to_string(i) + " of a batch, to " + batch[i].user + " under '" +
                batch[i].key + "', has outcome " +
                std::to_string(static_cast<int>(answers[i].outcome)) + " and total " +
                std::to_string(answers[i].total));
  }
  if (!unavailable) {
    require(!counts || !failed_before, "something was acknowledged after a failure");
    sure_ = std::move(next);
  } else if (!failed_before && !store_->failure().empty()) {
    maybe_ = std::move(next);
  }
}

bool Trial::take_snapshot() { return store_ && store_->take_snapshot(); }

Reference Trial::recovered(const Files& files) const {
  SimulatedDisk disk(files);
  const auto process = disk.open();
  const Recovered found = recover_or_break(*process, window_of(options_));
  const std::string difference = sure_.difference(found, now_ms_);
  if (difference.empty()) return sure_;
  require(maybe_.has_value(), difference);
  const std::string other = maybe_->difference(found, now_ms_);
  require(other.empty(), difference + ", and counting the last batch, " + other);
  return *maybe_;
}

}  // namespace loadcore::counter::simulated
