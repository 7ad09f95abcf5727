#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "counter/key_window.hpp"
#include "counter/log_files.hpp"
#include "loadcore/counter/disk.hpp"

namespace loadcore::counter {

// A snapshot is a file `snapshot-<sequence>` with everything that the log holds up to that frame,
// and, here and there, somewhat more: users are written shard by shard while the service goes on,
// each shard with the sequence up to which it has everything, so that recovery knows which frames
// each shard still needs. Blocks are framed as the log's frames are, numbered within the checksum.

struct SnapshotHeader {
  static constexpr std::size_t bytes = 64;

  std::uint32_t shard_bits = 0;  ///< a user's shard is that many leading bits of the id's SipHash
  std::uint64_t salt = 0;
  std::uint64_t hash_low = 0;  ///< the hash's key
  std::uint64_t hash_high = 0;
  std::int64_t created_unix_ms = 0;
  /// Written by an import or a repair: it has more, or less, than the log before it adds up to. No
  /// frame has its sequence, so that the log is not taken for complete without it.
  bool rebased = false;
};

/// What the whole file adds up to; its last block, without which it is none.
struct SnapshotTotals {
  std::uint64_t users = 0;
  std::uint64_t likes = 0;  ///< modulo 2^64
  std::uint64_t keys = 0;
  std::uint64_t keys_sequence = 0;  ///< the keys of every frame up to this one are there
};

/// Writes one beside the others; it counts once finish() has returned 0. Every call returns errno's
/// value, and after an error only discard() is of use. One thread at a time.
class SnapshotWriter {
 public:
  explicit SnapshotWriter(Disk& disk) : disk_(disk) {}

  int begin(const SnapshotHeader& header);
  /// One user, of the shard begin_shard() named last.
  int begin_shard(std::uint32_t shard, std::uint64_t sequence);
  int user(std::string_view user, std::int64_t total);
  int key(const KeyWindow::Record& record);
  /// Makes it durable, and then gives it the name for `sequence`.
  int finish(std::uint64_t keys_sequence, std::uint64_t sequence);
  void discard() noexcept;

  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  int begin_block(char kind);
  int end_block();

  Disk& disk_;
  std::unique_ptr<File> file_;
  SnapshotHeader header_;
  SnapshotTotals totals_;
  std::string block_;
  char kind_ = 0;
  std::uint32_t shard_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t blocks_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t synced_bytes_ = 0;
};

/// What read_snapshot() hands out.
class SnapshotVisitor {
 public:
  virtual ~SnapshotVisitor() = default;
  virtual void header(const SnapshotHeader& header) = 0;
  /// A shard's users follow; they have every frame up to `sequence`.
  virtual void shard(std::uint32_t shard, std::uint64_t sequence) = 0;
  virtual void user(std::string_view user, std::int64_t total) = 0;
  virtual void key(const KeyWindow::Record& record) = 0;
  virtual void totals(const SnapshotTotals& totals) = 0;
  /// Blocks are missing between what came and what follows; only from salvage_snapshot().
  virtual void gap() {}
};

/// Reads all of snapshot `name`, or up to the first thing wrong with it. Throws base::RunError for
/// one of a newer format, or one that cannot be read.
std::optional<Damage> read_snapshot(Disk& disk, const std::string& name, SnapshotVisitor& visitor);

/// The same, but goes on behind whatever is wrong, for repair: hands out every whole block there
/// is. False where the header is damaged, without which no block can be told from noise.
bool salvage_snapshot(Disk& disk, const std::string& name, SnapshotVisitor& visitor);

}  // namespace loadcore::counter
