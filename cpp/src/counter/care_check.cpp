#include <set>
#include <system_error>

#include "counter/care_salvage.hpp"
#include "counter/recovery.hpp"
#include "loadcore/base/error.hpp"

namespace loadcore::counter {
namespace {

/// What recover() makes of it has the last word: a directory is sound if the service starts with
/// it.
std::optional<Totals> recovered_totals(Disk& disk, const CareOptions& options,
                                       std::vector<Broken>& broken) {
  try {
    const Recovered recovered = recover(disk, care_keys(options));
    const StoreStats stats = recovered.likes->stats();
    return Totals{stats.users, stats.likes, recovered.keys->size()};
  } catch (const DamageError& error) {
    const Damage& damage = error.damage();
    if (broken.empty()) broken.push_back({damage.file, damage.offset, damage.what});
    return std::nullopt;
  }
}

CheckReport report_of(Disk& disk, const CareOptions& options, const Inspection& inspection) {
  CheckReport report;
  report.snapshots = inspection.snapshots;
  report.segments = inspection.segments;
  report.broken = inspection.broken;
  report.totals = recovered_totals(disk, options, report.broken);
  return report;
}

/// A name that no file has.
std::string free_name(const std::string& wanted, const std::set<std::string>& taken) {
  std::string name = wanted;
  for (int number = 2; taken.contains(name); ++number) name = wanted + "." + std::to_string(number);
  return name;
}

std::vector<std::pair<std::string, std::string>> renames_of(Disk& disk, const CheckReport& found) {
  const std::vector<std::string> names = disk.list();
  std::set<std::string> taken(names.begin(), names.end());
  std::set<std::string> damaged;
  for (const Broken& broken : found.broken) damaged.insert(broken.file);
  std::vector<std::pair<std::string, std::string>> renames;
  const auto rename = [&](const std::string& name) {
    const char* const prefix = damaged.contains(name) ? "damaged-" : "replaced-";
    const std::string to = free_name(prefix + name, taken);
    taken.insert(to);
    renames.emplace_back(name, to);
  };
  for (const CheckedSnapshot& snapshot : found.snapshots) rename(snapshot.name);
  for (const CheckedSegment& segment : found.segments) rename(segment.name);
  return renames;
}

void carry_out(Disk& disk, const std::vector<std::pair<std::string, std::string>>& renames) {
  int error = 0;
  for (const auto& [from, to] : renames) {
    if (error == 0) error = disk.rename(from, to);
  }
  if (error == 0) error = disk.sync_directory();
  if (error == 0) return;
  throw base::RunError("the data directory " + disk.describe() +
                       " is repaired, but its old files cannot be renamed (" +
                       std::generic_category().message(error) + "): check its permissions");
}

}  // namespace

CheckReport check_directory(Disk& disk, const CareOptions& options) {
  const Inspection inspection = inspect(disk);
  CheckReport report = report_of(disk, options, inspection);
  if (!report.broken.empty()) report.repair = salvage(disk, care_keys(options), inspection).kept;
  return report;
}

RepairReport repair_directory(Disk& disk, const CareOptions& options, bool dry_run) {
  const Inspection inspection = inspect(disk);
  RepairReport report;
  report.found = report_of(disk, options, inspection);
  if (report.found.broken.empty()) return report;
  const Salvaged salvaged = salvage(disk, care_keys(options), inspection);
  report.found.repair = salvaged.kept;
  // A sequence of its own, so that no file there is has either name.
  const std::uint64_t sequence = salvaged.last_sequence + 1;
  report.snapshot = snapshot_name(sequence);
  report.renamed = renames_of(disk, report.found);
  if (dry_run) return report;
  // After a crash in between it is either refused, and repaired again, or as good as repaired.
  write_state(disk, *salvaged.likes, *salvaged.keys, sequence, options.now_ms);
  begin_segment(disk, sequence + 1, options.now_ms);
  carry_out(disk, report.renamed);
  return report;
}

}  // namespace loadcore::counter
