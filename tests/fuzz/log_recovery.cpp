// libFuzzer on recovery: whatever lies in a data directory, it is refused with a sentence or read,
// the same each time, and cutting off a torn end changes nothing of what was read. The first byte
// says whether the rest is a file as it is, or what frames and blocks hold whose checksums are then
// made to fit. `make fuzz` runs it; ctest goes through the corpus with any compiler.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "../cpp/counter/simulated_disk.hpp"
#include "counter/frame.hpp"
#include "counter/log_files.hpp"
#include "counter/recovery.hpp"
#include "counter/snapshot.hpp"
#include "loadcore/base/error.hpp"

using loadcore::base::RunError;
using loadcore::counter::FrameHeader;
using loadcore::counter::KeyWindow;
using loadcore::counter::KeyWindowOptions;
using loadcore::counter::recover;
using loadcore::counter::Recovered;
using loadcore::counter::seal_frame;
using loadcore::counter::secure_end;
using loadcore::counter::segment_name;
using loadcore::counter::SegmentHeader;
using loadcore::counter::snapshot_name;
using loadcore::counter::SnapshotHeader;
using loadcore::counter::SnapshotWriter;
using loadcore::counter::simulated::Files;
using loadcore::counter::simulated::SimulatedDisk;

namespace {

constexpr KeyWindowOptions window{.age_ms_max = 1000, .keys_max = 8};
constexpr std::uint64_t salt = 7;

void require(bool kept) {
  if (!kept) std::abort();
}

/// The next piece of `bytes`: a byte of length and so many bytes.
std::string_view take_piece(std::string_view& bytes) {
  if (bytes.empty()) return {};
  const std::size_t size = static_cast<unsigned char>(bytes.front());
  bytes.remove_prefix(1);
  const std::string_view piece = bytes.substr(0, size);
  bytes.remove_prefix(piece.size());
  return piece;
}

std::string sealed(std::string_view payload, std::uint64_t salted, std::uint64_t sequence,
                   std::int64_t unix_ms) {
  std::string frame(FrameHeader::bytes, '\0');
  frame.append(payload);
  seal_frame(frame, salted, sequence, unix_ms);
  return frame;
}

/// A segment of frames with those payloads; what is empty ends it, and the rest is its torn end.
std::string segment_of(std::string_view bytes, std::uint64_t first_sequence) {
  SegmentHeader header;
  header.salt = salt;
  header.first_sequence = first_sequence;
  std::string segment = header.encode();
  for (std::uint64_t sequence = first_sequence;; ++sequence) {
    const std::string_view payload = take_piece(bytes);
    if (payload.empty()) break;
    // Times go up and down, to either end.
    const std::uint64_t time = static_cast<unsigned char>(payload.back());
    segment += sealed(payload, salt, sequence,
                      static_cast<std::int64_t>(time < 8 ? time << 61 : time * 100));
  }
  segment.append(bytes);
  return segment;
}

/// A snapshot of blocks with those contents, and takes them off the front.
std::string snapshot_of(std::string_view& bytes) {
  SimulatedDisk disk;
  SnapshotHeader header;
  header.shard_bits = 8;
  header.salt = salt;
  SnapshotWriter(*disk.open()).begin(header);
  std::string snapshot = disk.files().at("snapshot.new");
  for (std::uint64_t block = 0;; ++block) {
    const std::string_view payload = take_piece(bytes);
    if (payload.empty()) return snapshot;
    snapshot += sealed(payload, salt + block, 1 + block % 3, 0);
  }
}

Files directory_of(unsigned kind, std::string_view bytes) {
  switch (kind % 4) {
    case 0:
      return {{segment_name(1), std::string(bytes)}};
    case 1:
      return {{segment_name(2), segment_of({}, 2)}, {snapshot_name(1), std::string(bytes)}};
    case 2:
      return {{segment_name(1), segment_of(bytes, 1)}};
    default:
      std::string snapshot = snapshot_of(bytes);
      return {{segment_name(2), segment_of(bytes, 2)}, {snapshot_name(1), std::move(snapshot)}};
  }
}

std::optional<Recovered> read(SimulatedDisk& disk) {
  try {
    return recover(*disk.open(), window);
  } catch (const RunError& error) {
    require(std::string_view(error.what()).find("/simulated/") != std::string_view::npos);
    return std::nullopt;
  }
}

void require_same(const Recovered& one, const Recovered& other) {
  require(one.next_sequence == other.next_sequence && one.frames == other.frames);
  require(one.likes->stats().users == other.likes->stats().users);
  require(one.likes->stats().likes == other.likes->stats().likes);
  for (std::uint32_t shard = 0; shard < 256; ++shard) {
    one.likes->read_shard(shard, [&](std::string_view user, std::int64_t total) {
      require(total >= 0 && total == other.likes->get(user));
    });
  }
  require(one.keys->size() == other.keys->size() && one.keys->size() <= window.keys_max);
  one.keys->read(0, SIZE_MAX, [&](const KeyWindow::Record& record) {
    const auto known = one.keys->find(record.key, record.unix_ms);
    const auto also = other.keys->find(record.key, record.unix_ms);
    require(known.has_value() == also.has_value());
    require(!known || (known->user == also->user && known->total == also->total));
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  SimulatedDisk disk(directory_of(data[0], bytes));
  const auto first = read(disk);
  if (!first) return 0;
  secure_end(*disk.open(), *first);
  SimulatedDisk safe(disk.after({}));  // the power goes
  const auto second = read(safe);
  require(second && second->end->torn_bytes == 0);
  require_same(*first, *second);
  return 0;
}
