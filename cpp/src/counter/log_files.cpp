#include "counter/log_files.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <system_error>

#include "counter/file_window.hpp"
#include "loadcore/base/error.hpp"

namespace loadcore::counter {
namespace {

constexpr std::string_view segment_prefix = "log-";
constexpr std::string_view snapshot_prefix = "snapshot-";
constexpr std::size_t digits = 20;

std::string numbered(std::string_view prefix, std::uint64_t number) {
  char text[digits + 1];
  std::snprintf(text, sizeof text, "%020llu", static_cast<unsigned long long>(number));
  return std::string(prefix) + text;
}

std::optional<std::uint64_t> number_of(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || name.size() != prefix.size() + digits) return std::nullopt;
  name.remove_prefix(prefix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

/// The whole frame at `offset`, if there is one.
std::optional<LoggedFrame> frame_at(FileWindow& window, std::uint64_t offset, std::uint64_t salt) {
  const std::string_view head = window.at(offset, FrameHeader::bytes);
  if (head.size() < FrameHeader::bytes) return std::nullopt;
  const FrameHeader header = FrameHeader::decode(head);
  if (header.payload_bytes == 0 || header.payload_bytes > frame_payload_bytes_max) {
    return std::nullopt;
  }
  const std::string_view whole = window.at(offset, FrameHeader::bytes + header.payload_bytes);
  if (whole.size() < FrameHeader::bytes + header.payload_bytes) return std::nullopt;
  const std::string_view payload = whole.substr(FrameHeader::bytes);
  if (!matches(header, salt, payload)) return std::nullopt;
  return LoggedFrame{header.sequence, header.unix_ms, offset, payload};
}

/// The first whole frame from `offset` on, at any byte, of a sequence not before `sequence`.
std::optional<LoggedFrame> find_frame(FileWindow& window, std::uint64_t offset, std::uint64_t salt,
                                      std::uint64_t sequence) {
  // No process writes so many frames into one segment; it keeps checksums of mere noise rare.
  constexpr std::uint64_t sequences_ahead_max = std::uint64_t{1} << 40;
  for (; offset + FrameHeader::bytes < window.size(); ++offset) {
    const FrameHeader header = FrameHeader::decode(window.at(offset, FrameHeader::bytes));
    if (header.sequence < sequence || header.sequence - sequence > sequences_ahead_max) continue;
    if (const auto frame = frame_at(window, offset, salt)) return frame;
  }
  return std::nullopt;
}

}  // namespace

std::string segment_name(std::uint64_t first_sequence) {
  return numbered(segment_prefix, first_sequence);
}
std::string snapshot_name(std::uint64_t sequence) { return numbered(snapshot_prefix, sequence); }
std::optional<std::uint64_t> sequence_of_segment(std::string_view name) {
  return number_of(name, segment_prefix);
}
std::optional<std::uint64_t> sequence_of_snapshot(std::string_view name) {
  return number_of(name, snapshot_prefix);
}

std::string Damage::sentence(const Disk& disk) const {
  return disk.describe() + "/" + file + " is damaged at byte " + std::to_string(offset) + " (" +
         what + "): see what can be kept with 'loadcore likes check " + disk.describe() +
         "' and keep it with 'loadcore likes repair " + disk.describe() + "'";
}

SegmentScan scan_segment(Disk& disk, const std::string& name, bool last,
                         const std::function<std::string(const LoggedFrame&)>& look) {
  SegmentScan scan;
  FileWindow window(disk, name);
  scan.bytes = window.size();
  scan.next_sequence = sequence_of_segment(name).value_or(0);
  const auto damaged = [&](std::uint64_t offset, std::string what) {
    scan.damage = Damage{name, offset, std::move(what)};
    return scan;
  };

  const std::string_view head = window.at(0, SegmentHeader::bytes);
  switch (SegmentHeader::decode(head, scan.header)) {
    case SegmentHeader::Fault::newer:
      throw base::RunError(disk.describe() + "/" + name +
                           " was written by a newer version of loadcore: use that one");
    case SegmentHeader::Fault::damaged:
      // A segment gets its name once its header is safe, so that no loss of power explains this.
      return damaged(0, "not a log's header");
    case SegmentHeader::Fault::none:
      break;
  }
  if (scan.header.first_sequence != scan.next_sequence) {
    return damaged(0, "the header is another file's");
  }

  scan.sound_bytes = SegmentHeader::bytes;
  while (scan.sound_bytes < scan.bytes) {
    const auto frame = frame_at(window, scan.sound_bytes, scan.header.salt);
    if (!frame) {
      if (!last) return damaged(scan.sound_bytes, "not a whole frame");
      const auto later =
          find_frame(window, scan.sound_bytes + 1, scan.header.salt, scan.next_sequence);
      if (later) {
        return damaged(scan.sound_bytes, "not a whole frame, with a whole one behind it at byte " +
                                             std::to_string(later->offset));
      }
      return scan;
    }
    if (frame->sequence != scan.next_sequence) {
      return damaged(scan.sound_bytes, "frame " + std::to_string(frame->sequence) +
                                           " where frame " + std::to_string(scan.next_sequence) +
                                           " belongs");
    }
    const std::uint64_t end = scan.sound_bytes + FrameHeader::bytes + frame->payload.size();
    if (std::string what = look(*frame); !what.empty()) {
      return damaged(scan.sound_bytes, std::move(what));
    }
    scan.last_frame = scan.sound_bytes;
    scan.sound_bytes = end;
    ++scan.frames;
    ++scan.next_sequence;
  }
  return scan;
}

void salvage_segment(Disk& disk, const std::string& name, const SegmentHeader& header,
                     std::uint64_t from, const std::function<void(const LoggedFrame&)>& look) {
  FileWindow window(disk, name);
  while (const auto frame = find_frame(window, from, header.salt, header.first_sequence)) {
    from = frame->offset + FrameHeader::bytes + frame->payload.size();
    look(*frame);
  }
}

}  // namespace loadcore::counter
