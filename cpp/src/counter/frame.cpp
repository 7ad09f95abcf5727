#include "counter/frame.hpp"

#include <cstring>

#include "counter/crc32c.hpp"
#include "loadcore/counter/store.hpp"

namespace loadcore::counter {
namespace {

constexpr std::string_view segment_magic("lc-likes-log\n\x1a\0\0", 16);
constexpr std::uint32_t format_version = 1;

constexpr std::uint8_t entry_plain = 1;
constexpr std::uint8_t entry_keyed = 2;

constexpr std::size_t payload_bytes_at = 0;
constexpr std::size_t checksum_at = 4;
constexpr std::size_t checked_from = 8;

/// Of a header's bytes that the checksum covers: sequence and time.
constexpr std::size_t rest_bytes = 16;

template <typename Number>
void write_number(char* at, Number value) noexcept {
  for (std::size_t i = 0; i < sizeof(Number); ++i) at[i] = static_cast<char>(value >> (8 * i));
}

std::uint32_t checksum(std::uint64_t salt, std::uint32_t payload_bytes,
                       std::string_view rest_of_header, std::string_view payload) noexcept {
  char start[12];
  write_number(start, salt);
  write_number(start + 8, payload_bytes);
  return crc32c(payload, crc32c(rest_of_header, crc32c({start, sizeof start})));
}

}  // namespace

std::string SegmentHeader::encode() const {
  std::string out(segment_magic);
  put(out, format_version);
  put(out, std::uint32_t{0});
  put(out, salt);
  put(out, first_sequence);
  put(out, epoch);
  put(out, static_cast<std::uint64_t>(created_unix_ms));
  out.resize(bytes - 4, '\0');
  put(out, crc32c(out));
  return out;
}

SegmentHeader::Fault SegmentHeader::decode(std::string_view data, SegmentHeader& header) noexcept {
  if (data.size() < bytes || !data.starts_with(segment_magic)) return Fault::damaged;
  data = data.substr(0, bytes);
  if (number_at<std::uint32_t>(data, bytes - 4) != crc32c(data.substr(0, bytes - 4))) {
    return Fault::damaged;
  }
  if (number_at<std::uint32_t>(data, 16) > format_version) return Fault::newer;
  header.salt = salt_in(data);
  header.first_sequence = number_at<std::uint64_t>(data, 32);
  header.epoch = number_at<std::uint64_t>(data, 40);
  header.created_unix_ms = static_cast<std::int64_t>(number_at<std::uint64_t>(data, 48));
  return Fault::none;
}

FrameHeader FrameHeader::decode(std::string_view data) noexcept {
  FrameHeader header;
  header.payload_bytes = number_at<std::uint32_t>(data, payload_bytes_at);
  header.checksum = number_at<std::uint32_t>(data, checksum_at);
  header.sequence = number_at<std::uint64_t>(data, checked_from);
  header.unix_ms = static_cast<std::int64_t>(number_at<std::uint64_t>(data, checked_from + 8));
  return header;
}

void seal_frame(std::string& frame, std::uint64_t salt, std::uint64_t sequence,
                std::int64_t unix_ms) {
  const std::string_view payload = std::string_view(frame).substr(FrameHeader::bytes);
  const auto size = static_cast<std::uint32_t>(payload.size());
  char rest[rest_bytes];
  write_number(rest, sequence);
  write_number(rest + 8, static_cast<std::uint64_t>(unix_ms));
  write_number(frame.data() + payload_bytes_at, size);
  write_number(frame.data() + checksum_at, checksum(salt, size, {rest, sizeof rest}, payload));
  std::memcpy(frame.data() + checked_from, rest, sizeof rest);
}

bool matches(const FrameHeader& header, std::uint64_t salt, std::string_view payload) noexcept {
  if (payload.size() != header.payload_bytes) return false;
  char rest[rest_bytes];
  write_number(rest, header.sequence);
  write_number(rest + 8, static_cast<std::uint64_t>(header.unix_ms));
  return header.checksum == checksum(salt, header.payload_bytes, {rest, sizeof rest}, payload);
}

void FrameBuilder::add(std::string_view user, std::uint64_t likes) {
  bytes_.push_back(static_cast<char>(entry_plain));
  put_text(bytes_, user);
  put_varint(bytes_, likes);
}

void FrameBuilder::add_keyed(std::string_view user, std::string_view key, std::uint64_t total) {
  bytes_.push_back(static_cast<char>(entry_keyed));
  put_text(bytes_, user);
  put_text(bytes_, key);
  put_varint(bytes_, total);
}

std::string_view FrameBuilder::finish(std::uint64_t salt, std::uint64_t sequence,
                                      std::int64_t unix_ms) {
  seal_frame(bytes_, salt, sequence, unix_ms);
  return bytes_;
}

std::optional<Entry> EntryReader::next() noexcept {
  if (parser_.bad() || parser_.at_end()) return std::nullopt;
  const std::uint8_t kind = parser_.byte();
  Entry entry;
  entry.user = parser_.text();
  if (kind == entry_plain) {
    entry.likes = parser_.varint();
  } else if (kind == entry_keyed) {
    entry.likes = 1;
    entry.key = parser_.text();
    entry.total = parser_.varint();
  }
  const bool sound = !parser_.bad() && (kind == entry_plain || kind == entry_keyed) &&
                     !entry.user.empty() && entry.user.size() <= user_bytes_max &&
                     entry.likes > 0 && (kind == entry_plain || !entry.key.empty());
  if (sound) return entry;
  parser_ = Parser({});
  parser_.byte();  // turns it bad
  return std::nullopt;
}

}  // namespace loadcore::counter
