#include <array>

#include "counter/care_files.hpp"
#include "counter/file_window.hpp"

namespace loadcore::counter {
namespace {

struct Piece {
  FrameHeader header;
  std::string payload;
};

/// What lies at `offset`, taken for a frame; nothing where the file ends first.
std::optional<Piece> piece_at(FileWindow& window, std::uint64_t offset) {
  const std::string_view head = window.at(offset, FrameHeader::bytes);
  if (head.size() < FrameHeader::bytes) return std::nullopt;
  const FrameHeader header = FrameHeader::decode(head);
  if (header.payload_bytes == 0 || header.payload_bytes > frame_payload_bytes_max) {
    return std::nullopt;
  }
  const std::string_view payload = window.at(offset + FrameHeader::bytes, header.payload_bytes);
  if (payload.size() < header.payload_bytes) return std::nullopt;
  return Piece{header, std::string(payload)};
}

/// The salt below 2^32 under which the checksum of `piece` is right.
std::uint64_t solve(const Piece& piece) {
  std::string frame(FrameHeader::bytes, '\0');
  frame += piece.payload;
  const auto checksum_under = [&](std::uint64_t salt) {
    seal_frame(frame, salt, piece.header.sequence, piece.header.unix_ms);
    return FrameHeader::decode(frame).checksum;
  };
  // Over bits without carry a checksum is linear in what it covers, but for a constant; so the
  // salt's bits are the solution of 32 equations, by elimination.
  const std::uint32_t constant = checksum_under(0);
  struct Row {
    std::uint32_t checksum = 0;
    std::uint32_t salt = 0;
  };
  std::array<Row, 32> rows{};  // row i has its highest bit at i
  const auto reduce = [&rows](Row row, bool keep) {
    for (std::size_t bit = rows.size(); bit-- > 0 && row.checksum != 0;) {
      if ((row.checksum >> bit & 1) == 0) continue;
      if (rows[bit].checksum == 0) {
        if (keep) rows[bit] = row;
        break;
      }
      row.checksum ^= rows[bit].checksum;
      row.salt ^= rows[bit].salt;
    }
    return row;
  };
  for (std::uint32_t bit = 0; bit < 32; ++bit) {
    const std::uint32_t salt = std::uint32_t{1} << bit;
    reduce({checksum_under(salt) ^ constant, salt}, true);
  }
  return reduce({piece.header.checksum ^ constant, 0}, false).salt;
}

}  // namespace

std::optional<std::uint64_t> salt_from_frames(Disk& disk, const std::string& name) {
  // A salt acts through the 32 bits of its own checksum, so there is one below 2^32 that does the
  // same. Any bytes have one under which they are a frame; that the frame behind it agrees, with
  // the sequence that comes next, is no chance.
  FileWindow window(disk, name);
  std::uint64_t offset = SegmentHeader::bytes;
  auto first = piece_at(window, offset);
  while (first) {
    offset += FrameHeader::bytes + first->header.payload_bytes;
    auto second = piece_at(window, offset);
    if (!second) break;
    if (second->header.sequence == first->header.sequence + 1) {
      const std::uint64_t salt = solve(*first);
      if (matches(second->header, salt, second->payload)) return salt;
    }
    first = std::move(second);
  }
  // With a single frame there is only what is left of the header.
  const auto alone = piece_at(window, SegmentHeader::bytes);
  const std::string_view head = window.at(0, SegmentHeader::bytes);
  if (!alone || head.size() < SegmentHeader::bytes) return std::nullopt;
  const std::uint64_t salt = SegmentHeader::salt_in(head);
  if (!matches(alone->header, salt, alone->payload)) return std::nullopt;
  return salt;
}

}  // namespace loadcore::counter
