#include "counter/snapshot.hpp"

#include <utility>

#include "counter/crc32c.hpp"
#include "counter/file_window.hpp"
#include "counter/frame.hpp"
#include "counter/write_all.hpp"
#include "loadcore/base/error.hpp"
#include "loadcore/counter/store.hpp"

namespace loadcore::counter {
namespace {

constexpr std::string_view snapshot_magic("lc-likes-snap\n\x1a\0", 16);
constexpr std::uint32_t format_version = 1;
constexpr const char* unfinished_name = "snapshot.new";

constexpr char users_block = 'u';
constexpr char keys_block = 'k';
constexpr char totals_block = 't';

constexpr std::uint32_t shard_bits_max = 16;
constexpr std::uint64_t total_max = INT64_MAX;

constexpr std::size_t block_bytes = 256 * 1024;
// Written out now and then, so that the log's own syncs need not wait for all of it at once.
constexpr std::uint64_t sync_every_bytes = 8 * 1024 * 1024;

std::string encode(const SnapshotHeader& header) {
  std::string out(snapshot_magic);
  put(out, format_version);
  put(out, header.shard_bits);
  put(out, header.salt);
  put(out, header.hash_low);
  put(out, header.hash_high);
  put(out, static_cast<std::uint64_t>(header.created_unix_ms));
  put(out, std::uint32_t{header.rebased});
  out.resize(SnapshotHeader::bytes - 4, '\0');
  put(out, crc32c(out));
  return out;
}

SnapshotHeader decode(std::string_view data) {
  SnapshotHeader header;
  header.shard_bits = number_at<std::uint32_t>(data, 20);
  header.salt = number_at<std::uint64_t>(data, 24);
  header.hash_low = number_at<std::uint64_t>(data, 32);
  header.hash_high = number_at<std::uint64_t>(data, 40);
  header.created_unix_ms = static_cast<std::int64_t>(number_at<std::uint64_t>(data, 48));
  header.rebased = number_at<std::uint32_t>(data, 56) != 0;
  return header;
}

/// What block number `block` is salted with: in another place it is no block.
std::uint64_t salt_of(const SnapshotHeader& header, std::uint64_t block) noexcept {
  return header.salt + block;
}

}  // namespace

int SnapshotWriter::begin(const SnapshotHeader& header) {
  header_ = header;
  auto created = disk_.create(unfinished_name);
  if (created.error != 0) return created.error;
  file_ = std::move(created.file);
  const std::string bytes = encode(header_);
  bytes_ = bytes.size();
  return write_all(*file_, 0, bytes);
}

int SnapshotWriter::begin_block(char kind) {
  if (kind_ == kind && block_.size() < block_bytes) return 0;
  if (const int error = end_block(); error != 0) return error;
  kind_ = kind;
  block_.assign(FrameHeader::bytes, '\0');
  block_.push_back(kind);
  if (kind == users_block) put_varint(block_, shard_);
  return 0;
}

int SnapshotWriter::end_block() {
  if (kind_ == 0) return 0;
  seal_frame(block_, salt_of(header_, blocks_), sequence_, header_.created_unix_ms);
  if (const int error = write_all(*file_, bytes_, block_); error != 0) return error;
  bytes_ += block_.size();
  ++blocks_;
  kind_ = 0;
  if (bytes_ - synced_bytes_ < sync_every_bytes) return 0;
  synced_bytes_ = bytes_;
  return file_->sync();
}

int SnapshotWriter::begin_shard(std::uint32_t shard, std::uint64_t sequence) {
  // A block of its own even if the shard is empty: it says up to where.
  if (const int error = end_block(); error != 0) return error;
  shard_ = shard;
  sequence_ = sequence;
  return begin_block(users_block);
}

int SnapshotWriter::user(std::string_view user, std::int64_t total) {
  if (const int error = begin_block(users_block); error != 0) return error;
  put_text(block_, user);
  put_varint(block_, static_cast<std::uint64_t>(total));
  ++totals_.users;
  totals_.likes += static_cast<std::uint64_t>(total);
  return 0;
}

int SnapshotWriter::key(const KeyWindow::Record& record) {
  if (const int error = begin_block(keys_block); error != 0) return error;
  put_text(block_, record.key);
  put_text(block_, record.user);
  put_varint(block_, static_cast<std::uint64_t>(record.total));
  put(block_, static_cast<std::uint64_t>(record.unix_ms));
  ++totals_.keys;
  return 0;
}

int SnapshotWriter::finish(std::uint64_t keys_sequence, std::uint64_t sequence) {
  if (const int error = end_block(); error != 0) return error;
  sequence_ = keys_sequence;
  if (const int error = begin_block(totals_block); error != 0) return error;
  put(block_, totals_.users);
  put(block_, totals_.likes);
  put(block_, totals_.keys);
  if (const int error = end_block(); error != 0) return error;
  if (const int error = file_->sync(); error != 0) return error;
  if (const int error = disk_.rename(unfinished_name, snapshot_name(sequence)); error != 0) {
    return error;
  }
  return disk_.sync_directory();
}

void SnapshotWriter::discard() noexcept {
  file_.reset();
  disk_.remove(unfinished_name);
}

namespace {

/// Reads one snapshot's blocks.
class BlockReader {
 public:
  BlockReader(Disk& disk, const std::string& name, SnapshotVisitor& visitor)
      : disk_(disk), name_(name), window_(disk, name), visitor_(visitor) {}

  std::optional<Damage> read() {
    if (auto damage = read_header()) return damage;
    while (!finished_) {
      if (auto damage = read_block()) return damage;
    }
    if (offset_ != window_.size()) return damaged("something behind the last block");
    return std::nullopt;
  }

  bool salvage() {
    salvaging_ = true;
    if (read_header()) return false;
    while (!finished_) {
      if (!read_block()) continue;
      visitor_.gap();
      if (!find_block()) break;
    }
    return true;
  }

 private:
  Damage damaged(std::string what) const { return {name_, offset_, std::move(what)}; }

  std::optional<Damage> read_header() {
    const std::string_view head = window_.at(0, SnapshotHeader::bytes);
    if (head.size() < SnapshotHeader::bytes || !head.starts_with(snapshot_magic) ||
        number_at<std::uint32_t>(head, SnapshotHeader::bytes - 4) !=
            crc32c(head.substr(0, SnapshotHeader::bytes - 4))) {
      return damaged("not a snapshot's header");
    }
    if (number_at<std::uint32_t>(head, 16) > format_version) {
      throw base::RunError(disk_.describe() + "/" + name_ +
                           " was written by a newer version of loadcore: use that one");
    }
    header_ = decode(head);
    if (header_.shard_bits > shard_bits_max) return damaged("not a snapshot's header");
    visitor_.header(header_);
    offset_ = SnapshotHeader::bytes;
    return std::nullopt;
  }

  std::optional<Damage> read_block() {
    const std::string_view head = window_.at(offset_, FrameHeader::bytes);
    if (head.size() < FrameHeader::bytes) return damaged("the end is missing");
    const FrameHeader header = FrameHeader::decode(head);
    if (header.payload_bytes == 0 || header.payload_bytes > frame_payload_bytes_max) {
      return damaged("not a block");
    }
    const std::string_view block = window_.at(offset_, FrameHeader::bytes + header.payload_bytes);
    if (block.size() < FrameHeader::bytes + header.payload_bytes) {
      return damaged("the end is missing");
    }
    const std::string_view payload = block.substr(FrameHeader::bytes);
    if (!matches(header, salt_of(header_, blocks_), payload))
      return damaged("the checksum is wrong");
    if (!take(header.sequence, Parser(payload))) return damaged("not what a block holds");
    offset_ += block.size();
    ++blocks_;
    return std::nullopt;
  }

  /// Moves on to the first whole block behind the damage.
  bool find_block() {
    const std::uint64_t from = offset_;
    for (std::uint64_t at = from + 1; at + FrameHeader::bytes < window_.size(); ++at) {
      const FrameHeader header = FrameHeader::decode(window_.at(at, FrameHeader::bytes));
      // Every block bears the snapshot's time, which noise hardly ever does.
      if (header.unix_ms != header_.created_unix_ms || header.payload_bytes == 0 ||
          header.payload_bytes > frame_payload_bytes_max) {
        continue;
      }
      const std::string_view block = window_.at(at, FrameHeader::bytes + header.payload_bytes);
      // A block is ended by its size, or by the next shard or kind.
      const std::uint64_t last =
          blocks_ + (at - from) / block_bytes + (1U << header_.shard_bits) + 3;
      for (std::uint64_t number = blocks_; number <= last; ++number) {
        if (!matches(header, salt_of(header_, number), block.substr(FrameHeader::bytes))) continue;
        offset_ = at;
        blocks_ = number;
        return true;
      }
    }
    return false;
  }

  bool take(std::uint64_t sequence, Parser parser) {
    switch (static_cast<char>(parser.byte())) {
      case users_block:
        return take_users(sequence, parser);
      case keys_block:
        return take_keys(parser);
      case totals_block:
        return take_totals(sequence, parser);
      default:
        return false;
    }
  }

  bool take_users(std::uint64_t sequence, Parser& parser) {
    const std::uint64_t shard = parser.varint();
    if (parser.bad() || shard >> header_.shard_bits != 0) return false;
    visitor_.shard(static_cast<std::uint32_t>(shard), sequence);
    while (!parser.at_end()) {
      const std::string_view user = parser.text();
      const std::uint64_t total = parser.varint();
      if (parser.bad() || user.empty() || user.size() > user_bytes_max || total == 0 ||
          total > total_max) {
        return false;
      }
      ++seen_.users;
      seen_.likes += total;
      visitor_.user(user, static_cast<std::int64_t>(total));
    }
    return !parser.bad();
  }

  bool take_keys(Parser& parser) {
    while (!parser.at_end()) {
      KeyWindow::Record record;
      record.key = parser.text();
      record.user = parser.text();
      const std::uint64_t total = parser.varint();
      record.total = static_cast<std::int64_t>(total);
      record.unix_ms = static_cast<std::int64_t>(parser.number<std::uint64_t>());
      if (parser.bad() || record.key.empty() || record.key.size() > key_bytes_max ||
          record.user.empty() || total > total_max) {
        return false;
      }
      ++seen_.keys;
      visitor_.key(record);
    }
    return !parser.bad();
  }

  bool take_totals(std::uint64_t sequence, Parser& parser) {
    SnapshotTotals totals;
    totals.users = parser.number<std::uint64_t>();
    totals.likes = parser.number<std::uint64_t>();
    totals.keys = parser.number<std::uint64_t>();
    totals.keys_sequence = sequence;
    finished_ = true;
    const bool agrees =
        totals.users == seen_.users && totals.likes == seen_.likes && totals.keys == seen_.keys;
    if (parser.bad() || (!agrees && !salvaging_)) return false;
    visitor_.totals(totals);
    return true;
  }

  Disk& disk_;
  const std::string& name_;
  FileWindow window_;
  SnapshotVisitor& visitor_;
  SnapshotHeader header_;
  SnapshotTotals seen_;
  std::uint64_t offset_ = 0;
  std::uint64_t blocks_ = 0;
  bool finished_ = false;
  bool salvaging_ = false;
};

}  // namespace

std::optional<Damage> read_snapshot(Disk& disk, const std::string& name, SnapshotVisitor& visitor) {
  return BlockReader(disk, name, visitor).read();
}

bool salvage_snapshot(Disk& disk, const std::string& name, SnapshotVisitor& visitor) {
  return BlockReader(disk, name, visitor).salvage();
}

}  // namespace loadcore::counter
