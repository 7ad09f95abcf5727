#include <utility>

#include "counter/care_files.hpp"
#include "counter/recovery.hpp"
#include "counter/snapshot.hpp"

namespace loadcore::counter {
namespace {

/// Where a recount that says something about the newest snapshot can begin.
struct Start {
  bool possible = false;
  std::string why_not{};
  std::optional<std::uint64_t> snapshot{};  ///< nothing: the first frame
};

/// The first frame of the log that reaches to its end without a segment missing.
std::uint64_t log_begin(const std::vector<CheckedSegment>& segments) {
  std::uint64_t begin = 0;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const bool follows = i > 0 && (!segments[i - 1].whole ||
                                   segments[i - 1].next_sequence == segments[i].first_sequence);
    if (!follows) begin = segments[i].first_sequence;
  }
  return begin;
}

Start start_of(const Inspection& found) {
  const auto& snapshots = found.snapshots;
  if (snapshots.empty()) {
    return {.why_not = "there is no snapshot yet: the log is all there is"};
  }
  if (snapshots.back().rebased) {
    return {.why_not = "an import or a repair wrote " + snapshots.back().name +
                       ", and no snapshot has been taken since"};
  }
  // As far back as the log goes, but not across an import or a repair, which it knows nothing of.
  const std::uint64_t begin = log_begin(found.segments);
  std::size_t oldest = snapshots.size() - 1;
  while (oldest > 0 && !snapshots[oldest].rebased && snapshots[oldest - 1].sequence + 1 >= begin) {
    --oldest;
  }
  if (oldest == 0 && !snapshots.front().rebased && begin == 1) return {.possible = true};
  if (oldest == snapshots.size() - 1) {
    return {.why_not = "no older snapshot with the log behind it is there"};
  }
  return {.possible = true, .snapshot = snapshots[oldest].sequence};
}

class Comparison {
 public:
  explicit Comparison(AuditReport& report) : report_(report) {}

  void users(const Likes& kept, const Likes& recounted) {
    each_user(kept, [&](std::string_view user, std::int64_t total) {
      const auto other = recounted.find(user);
      if (other != total) differ("user", user, std::to_string(total), text(other));
    });
    each_user(recounted, [&](std::string_view user, std::int64_t total) {
      if (!kept.find(user)) differ("user", user, "not there", std::to_string(total));
    });
  }

  /// The service forgets the oldest keys, so the recount may know more of them: in front of the
  /// others, for both are in the order of their coming.
  void keys(const KeyWindow& kept, const KeyWindow& recounted) {
    KeyWindow::Place place = recounted.begin();
    if (recounted.size() > kept.size()) {
      report_.keys_older = recounted.size() - kept.size();
      place = recounted.read(place, report_.keys_older, [](const KeyWindow::Record&) {});
    }
    kept.read(kept.begin(), kept.size(), [&](const KeyWindow::Record& key) {
      std::string other = "not there";
      bool same = false;
      place = recounted.read(place, 1, [&](const KeyWindow::Record& record) {
        other = answer(record);
        if (record.key != key.key) other = "key " + std::string(record.key) + ": " + other;
        same = record.key == key.key && record.user == key.user && record.total == key.total;
      });
      if (!same) differ("key", key.key, answer(key), other);
    });
  }

 private:
  static void each_user(const Likes& likes,
                        const std::function<void(std::string_view, std::int64_t)>& look) {
    for (std::uint32_t shard = 0; shard < Likes::shard_count; ++shard) {
      likes.read_shard(shard, look);
    }
  }
  static std::string text(std::optional<std::int64_t> total) {
    return total ? std::to_string(*total) : "not there";
  }
  static std::string answer(const KeyWindow::Record& record) {
    return std::to_string(record.total) + " for user " + std::string(record.user);
  }

  void differ(const char* kind, std::string_view name, std::string kept, std::string recounted) {
    ++report_.differences;
    if (report_.first_differences.size() == AuditReport::differences_max) return;
    report_.first_differences.push_back(
        {std::string(kind) + " " + std::string(name), std::move(kept), std::move(recounted)});
  }

  AuditReport& report_;
};

}  // namespace

AuditReport audit_directory(Disk& disk, const CareOptions& options) {
  const Inspection found = inspect(disk);
  // Only what the service or the recount needs is a reason to refuse, and they say so themselves.
  const Recovered kept = recover(disk, care_keys(options));
  AuditReport report;
  if (!found.snapshots.empty()) report.newest = found.snapshots.back().name;
  const StoreStats stats = kept.likes->stats();
  report.totals = {stats.users, stats.likes, kept.keys->size()};
  report.last_sequence = kept.next_sequence - 1;
  const Start start = start_of(found);
  report.recounted = start.possible;
  report.why_not = start.why_not;
  if (!start.possible) return report;

  const Recovered recounted = recover_from(disk, care_keys(options), start.snapshot);
  if (start.snapshot) report.base = snapshot_name(*start.snapshot);
  report.first_sequence = start.snapshot.value_or(0) + 1;
  report.frames = recounted.frames;
  Comparison comparison(report);
  comparison.users(*kept.likes, *recounted.likes);
  comparison.keys(*kept.keys, *recounted.keys);
  return report;
}

}  // namespace loadcore::counter
