#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "counter/care_files.hpp"
#include "counter/key_window.hpp"
#include "counter/snapshot.hpp"
#include "loadcore/counter/care.hpp"
#include "loadcore/counter/likes.hpp"

namespace loadcore::counter {

struct Salvaged {
  std::unique_ptr<Likes> likes;
  std::unique_ptr<KeyWindow> keys;
  std::uint64_t last_sequence = 0;  ///< no file knows of a later frame
  Kept kept;
};

/// Puts together whatever whole blocks of snapshots and whole frames there are. Each user begins
/// with the newest total that some whole block has, which is exact up to the sequence that the
/// block bears, and gets every frame after that: so no addition is counted twice, and one that is
/// missing is missing because its frame is.
Salvaged salvage(Disk& disk, const KeyWindowOptions& keys, const Inspection& inspection);

/// Which frames have been seen.
class Sequences {
 public:
  /// False where it was there already.
  bool add(std::uint64_t sequence);
  std::uint64_t last() const noexcept { return ranges_.empty() ? 0 : ranges_.rbegin()->second; }
  /// Those above `floor`, up to `last`, that are not there.
  std::vector<SequenceRange> missing(std::uint64_t floor, std::uint64_t last) const;

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // first to last; neither touching nor meeting
};

/// An Idempotency-Key with texts of its own.
struct KeyCopy {
  std::string key;
  std::string user;
  std::int64_t total = 0;
  std::int64_t unix_ms = 0;
};

/// One snapshot's whole blocks.
class Layer final : public SnapshotVisitor {
 public:
  /// Null where even its header is damaged.
  static std::unique_ptr<Layer> read(Disk& disk, const std::string& name);

  const std::string& name() const noexcept { return name_; }
  bool whole() const noexcept { return !gap_ && totals_; }
  const Likes& likes() const noexcept { return *likes_; }
  const std::vector<KeyCopy>& keys() const noexcept { return keys_; }
  /// The keys of every frame up to this one are there, in a whole one.
  std::uint64_t keys_sequence() const noexcept { return totals_->keys_sequence; }
  /// The frame up to which even the shard furthest behind has everything, in a whole one.
  std::uint64_t floor() const;
  /// The last frame that anything in it has.
  std::uint64_t last_sequence() const noexcept { return last_sequence_; }
  /// Users in blocks that cannot be read; nothing where that is not known.
  std::optional<std::uint64_t> users_gone() const;

  /// A user's total, and the sequence up to which it has everything.
  struct Base {
    std::int64_t total = 0;
    std::uint64_t sequence = 0;
  };
  /// Nothing where a block that cannot be read may have had this user.
  std::optional<Base> find(std::string_view user) const;

  void header(const SnapshotHeader& header) override;
  void shard(std::uint32_t shard, std::uint64_t sequence) override;
  void user(std::string_view user, std::int64_t total) override;
  void key(const KeyWindow::Record& record) override;
  void totals(const SnapshotTotals& totals) override;
  void gap() override;

 private:
  struct Shard {
    std::uint64_t sequence = 0;
    bool whole = false;
  };

  explicit Layer(std::string name) : name_(std::move(name)) {}

  std::string name_;
  bool gap_ = false;
  std::unique_ptr<Likes> likes_;
  SipHash<> hash_{0, 0};
  std::uint32_t shard_bits_ = 0;
  std::vector<Shard> shards_;
  std::optional<std::uint32_t> shard_;  // whose blocks are coming
  bool after_gap_ = false;
  std::optional<SnapshotTotals> totals_;
  std::uint64_t last_sequence_ = 0;
  std::vector<KeyCopy> keys_;
};

}  // namespace loadcore::counter
