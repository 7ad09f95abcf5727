#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "counter/codec.hpp"

namespace loadcore::counter {

// The log's format, version 1. docs/likes-format.md describes it.
//
// A segment is a file `log-<first sequence, 20 digits>`: a header of 64 bytes, then frames. One
// frame is one batch of additions, written at once and synced before the next one is written, so
// that only the last frame of the last segment can ever be incomplete. Every frame's checksum
// starts from its segment's salt, so that bytes left over from another file are no frame here.

struct SegmentHeader {
  static constexpr std::size_t bytes = 64;

  std::uint64_t salt = 0;            ///< random, of this segment
  std::uint64_t first_sequence = 0;  ///< of its first frame
  std::uint64_t epoch = 0;           ///< random, of the process that wrote it
  std::int64_t created_unix_ms = 0;

  std::string encode() const;
  enum class Fault : std::uint8_t { none, damaged, newer };
  /// `none` if `data` is a header, which is then in `header`.
  static Fault decode(std::string_view data, SegmentHeader& header) noexcept;
  /// What stands where the salt belongs, in `bytes` bytes that are perhaps no header any more.
  static std::uint64_t salt_in(std::string_view data) noexcept {
    return number_at<std::uint64_t>(data, 24);
  }
};

struct FrameHeader {
  static constexpr std::size_t bytes = 24;

  std::uint32_t payload_bytes = 0;
  std::uint32_t checksum = 0;  ///< CRC-32C of the rest of the header and the payload, salted
  std::uint64_t sequence = 0;  ///< one more than the frame's before
  std::int64_t unix_ms = 0;    ///< when it was written

  /// `data` has at least `bytes` bytes; whether they make sense is for matches() to say.
  static FrameHeader decode(std::string_view data) noexcept;
};

inline constexpr std::uint32_t frame_payload_bytes_max = 16 * 1024 * 1024;

/// Builds one frame after another in one buffer.
class FrameBuilder {
 public:
  void begin() { bytes_.assign(FrameHeader::bytes, '\0'); }
  /// So many likes without a key.
  void add(std::string_view user, std::uint64_t likes);
  /// One like with an Idempotency-Key, whose answer was `total`.
  void add_keyed(std::string_view user, std::string_view key, std::uint64_t total);
  bool empty() const noexcept { return bytes_.size() == FrameHeader::bytes; }
  std::size_t payload_bytes() const noexcept { return bytes_.size() - FrameHeader::bytes; }
  /// The frame, header and all; valid until begin().
  std::string_view finish(std::uint64_t salt, std::uint64_t sequence, std::int64_t unix_ms);

 private:
  std::string bytes_;
};

/// Fills in the header at the front of `frame`, whose payload is behind FrameHeader::bytes bytes.
void seal_frame(std::string& frame, std::uint64_t salt, std::uint64_t sequence,
                std::int64_t unix_ms);

/// Whether `payload` is what `header` was made for, in a segment of that salt.
bool matches(const FrameHeader& header, std::uint64_t salt, std::string_view payload) noexcept;

/// One entry of a frame.
struct Entry {
  std::string_view user;
  std::uint64_t likes = 0;
  std::string_view key;     ///< empty: none
  std::uint64_t total = 0;  ///< with a key: the answer that was given
};

/// Reads a frame's payload entry by entry.
class EntryReader {
 public:
  explicit EntryReader(std::string_view payload) noexcept : parser_(payload) {}
  /// The next one; nothing at the end, or where the payload is not what FrameBuilder writes.
  std::optional<Entry> next() noexcept;
  /// After next() has returned nothing: whether that was the end.
  bool complete() const noexcept { return !parser_.bad() && parser_.at_end(); }

 private:
  Parser parser_;
};

}  // namespace loadcore::counter
