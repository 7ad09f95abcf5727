#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loadcore/counter/disk.hpp"

namespace loadcore::counter {

// Care for a data directory that no service has open: the Disk holds its lock. Everything here runs
// on the calling thread, and keeps all users in memory as the service does. Whatever cannot be read
// or written, or is of a newer version, is a base::RunError, one sentence.

struct CareOptions {
  /// The service's own (--key-age): how long an Idempotency-Key is remembered. However many there
  /// are within it are kept.
  std::int64_t key_age_ms_max = 24LL * 60 * 60 * 1000;
  std::int64_t now_ms = 0;  ///< milliseconds since 1970, for what is written
};

struct Totals {
  std::uint64_t users = 0;
  std::uint64_t likes = 0;  ///< modulo 2^64
  std::uint64_t keys = 0;
};

/// Frames `first` to `last`, both included.
struct SequenceRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

struct CheckedSnapshot {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint64_t sequence = 0;
  std::int64_t created_unix_ms = 0;
  bool rebased = false;  ///< written by an import or a repair
  bool whole = false;
  Totals totals;  ///< of what can be read before the first damage
};

struct CheckedSegment {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint64_t first_sequence = 0;
  std::uint64_t next_sequence = 0;  ///< after the last frame before the first damage
  std::uint64_t frames = 0;         ///< likewise
  std::uint64_t torn_bytes = 0;     ///< half a frame at the very end, which nobody was told of
  bool whole = false;
};

/// Something that cannot be what was written there.
struct Broken {
  std::string file;
  std::uint64_t offset = 0;
  std::string what;
};

/// What a repair keeps of a damaged directory. A count is never too high afterwards.
struct Kept {
  std::vector<std::string> snapshots;  ///< begun with, newest first; all but the last have gaps
  std::uint64_t frames = 0;            ///< whole frames found in the log
  Totals totals;
  std::vector<SequenceRange> missing;  ///< frames that are gone and whose counts some user lacks
  std::uint64_t frames_missing = 0;
  /// Snapshots of an import or a repair that cannot be read whole: what only they had is gone too.
  std::vector<std::string> rebased_missing;
  std::uint64_t users_short = 0;  ///< of totals.users: those that may lack likes
  /// In blocks of the newest snapshot that cannot be read: as many may be gone altogether.
  std::optional<std::uint64_t> users_gone_max;
  std::uint64_t left_out = 0;  ///< additions that would have gone beyond 2^63 - 1
  bool exact() const noexcept { return missing.empty() && left_out == 0; }
};

struct CheckReport {
  std::vector<CheckedSnapshot> snapshots;
  std::vector<CheckedSegment> segments;
  std::vector<Broken> broken;
  std::optional<Totals> totals;  ///< what a service would start with; nothing if it would refuse
  std::optional<Kept> repair;    ///< where something is broken: what repair would keep
};

/// Reads every snapshot and segment. Changes nothing.
CheckReport check_directory(Disk& disk, const CareOptions& options);

struct RepairReport {
  CheckReport found;
  std::optional<std::string> snapshot;                       ///< written; nothing if unchanged
  std::vector<std::pair<std::string, std::string>> renamed;  ///< from, to
};

/// Where something is broken: puts what can be kept into a new snapshot and begins a new log behind
/// it; then renames the old files, damaged ones to `damaged-…`, others to `replaced-…`. They stay
/// until both new files are safe, so that after a crash in the middle another repair finds as much.
/// `dry_run` only says what it would do.
RepairReport repair_directory(Disk& disk, const CareOptions& options, bool dry_run);

struct AuditReport {
  std::optional<std::string> newest;  ///< the snapshot held against the recount
  std::optional<std::string> base;    ///< the one recounted from; nothing: from the first frame
  bool recounted = false;             ///< false where there are no two ways to the same totals
  std::string why_not;                ///< where not
  std::uint64_t first_sequence = 0;   ///< of the recount
  std::uint64_t last_sequence = 0;
  std::uint64_t frames = 0;  ///< read in the recount
  Totals totals;             ///< newest snapshot and log
  std::uint64_t keys_older =
      0;  ///< only in the recount: forgotten to make room before the snapshot

  struct Difference {
    std::string what;  ///< "user alice", "key 7f…"
    std::string kept;  ///< by newest snapshot and log
    std::string recounted;
  };
  static constexpr std::size_t differences_max = 20;
  std::uint64_t differences = 0;
  std::vector<Difference> first_differences;  ///< up to differences_max
};

/// Holds the newest snapshot and the log behind it against the log recounted from further back,
/// user by user and key by key. Changes nothing; throws DamageError, a RunError, where something
/// that it needs is damaged.
AuditReport audit_directory(Disk& disk, const CareOptions& options);

enum class LikesFormat : std::uint8_t {
  csv,         ///< a line `userId,likes`, then one line a user
  json_lines,  ///< {"userId": "alice", "likes": 42}, one line a user
};

/// Everything a directory holds as text, in no particular order, piece by piece.
class LikesExport {
 public:
  /// Throws as DurableLikes does. A torn end is left out, as the service would.
  LikesExport(std::unique_ptr<Disk> disk, LikesFormat format);
  ~LikesExport();

  std::uint64_t users() const noexcept;
  std::uint64_t likes() const;
  /// The next piece, of whole lines and whole shards; valid until the next call, empty at the end.
  std::string_view next();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

struct ImportReport {
  std::uint64_t users = 0;  ///< lines with a user, each adding to what is there
  std::uint64_t likes = 0;
  Totals totals;  ///< of the directory afterwards
};

/// Adds text as LikesExport writes it to a directory: all of it or, wherever it ends early,
/// nothing. Which of the two formats it is, the first line says.
class LikesImport {
 public:
  /// Null where the directory is not there yet. Throws as DurableLikes does.
  LikesImport(std::unique_ptr<Disk> disk, const CareOptions& options);
  ~LikesImport();

  /// The next bytes of the text, cut anywhere. Throws base::PlanError, whose field names the line,
  /// for one that cannot be counted; after that it is of no further use.
  void take(std::string_view text);
  /// The text is complete: makes it count, in one step, in a new snapshot. `make` opens the
  /// directory where there was none before.
  ImportReport finish(const std::function<std::unique_ptr<Disk>()>& make);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// `disk`, whose files can no longer be read once `stop` has returned true: so that a signal ends
/// what takes long. Asked once a read, of 1 MiB as a rule, on the reading thread.
std::unique_ptr<Disk> interruptible(std::unique_ptr<Disk> disk, std::function<bool()> stop);

}  // namespace loadcore::counter
