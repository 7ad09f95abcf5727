#include "loadcore/histogram/encoding.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <stdexcept>

// The layout is that of HdrHistogram's AbstractHistogram.encodeIntoByteBuffer and ZigZagEncoding.
namespace loadcore::histogram {
namespace {

constexpr std::uint32_t cookie_v2 = 0x1c849303;
constexpr std::uint32_t cookie_v2_compressed = 0x1c849304;
// The cookie's second nibble once told the size of a count; V2 writers put a 1, readers skip it.
constexpr std::uint32_t word_size_mask = 0xf0;
constexpr std::uint32_t word_size_v2 = 0x10;
constexpr std::size_t header_size = 40;
constexpr std::uint64_t one_as_double = 0x3ff0'0000'0000'0000;
constexpr int varint_bytes_max = 9;

template <typename Integer>
void put(std::string& out, Integer value) {
  for (int shift = 8 * (static_cast<int>(sizeof value) - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

// Seven bits a byte, low ones first; the ninth byte has no continuation flag and holds eight.
void put_varint(std::string& out, std::int64_t value) {
  auto rest = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  for (int byte = 1; byte < varint_bytes_max && rest > 0x7f; ++byte, rest >>= 7) {
    out.push_back(static_cast<char>(rest | 0x80));
  }
  out.push_back(static_cast<char>(rest));
}

void put_counts(std::string& out, const Histogram& histogram) {
  const auto counts = histogram.counts();
  auto zeros = histogram.empty() ? 0 : static_cast<std::int64_t>(histogram.first_index());
  for (std::size_t index = histogram.first_index(); index < counts.size(); ++index) {
    if (counts[index] == 0) {
      ++zeros;
      continue;
    }
    // A lone zero stands for itself, as HdrHistogram itself has it.
    if (zeros > 0) put_varint(out, zeros == 1 ? 0 : -zeros);
    zeros = 0;
    put_varint(out, static_cast<std::int64_t>(counts[index]));
  }
}

[[noreturn]] void refuse(const std::string& sentence) {
  throw std::invalid_argument("not a histogram: " + sentence);
}

// Reads big-endian numbers and varints off the front of bytes nobody vouches for.
class Reader {
 public:
  explicit Reader(std::string_view data) : rest_(data) {}

  std::size_t left() const noexcept { return rest_.size(); }

  template <typename Integer>
  Integer take() {
    if (left() < sizeof(Integer)) refuse("its header is cut short");
    Integer value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i)
      value = static_cast<Integer>(value << 8 | byte());
    return value;
  }

  std::int64_t take_varint() {
    std::uint64_t value = 0;
    for (int taken = 0;; ++taken) {
      if (rest_.empty()) refuse("its last count is cut short");
      const std::uint64_t bits = byte();
      const bool last = taken == varint_bytes_max - 1 || bits < 0x80;
      if (last && bits == 0 && taken > 0) refuse("a count is written longer than it is");
      value |= (last ? bits : bits & 0x7f) << (7 * taken);
      if (last) break;
    }
    return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
  }

 private:
  unsigned char byte() noexcept {
    const auto first = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    return first;
  }

  std::string_view rest_;
};

void check_cookie(std::uint32_t cookie) {
  const std::uint32_t kind = cookie & ~word_size_mask;
  if (kind == cookie_v2_compressed) refuse("it is compressed; decompress it first");
  if (kind != cookie_v2) refuse("it does not begin like HdrHistogram's V2 encoding");
}

// The buckets that the writer counted in, from the header's digits and range.
Buckets take_buckets(Reader& reader) {
  // The power of two that holds 2 * 10^digits sub-buckets.
  constexpr std::array sub_bucket_bits{1U, 5U, 8U, 11U, 15U, 18U};
  const auto digits = reader.take<std::uint32_t>();
  const auto lowest = reader.take<std::uint64_t>();
  const auto highest = reader.take<std::uint64_t>();
  if (digits >= sub_bucket_bits.size()) {
    refuse("it claims " + std::to_string(digits) + " significant digits, 5 is the most there are");
  }
  constexpr std::uint64_t value_max = std::numeric_limits<std::int64_t>::max();
  if (lowest < 1 || highest > value_max || highest / 2 < lowest) {
    refuse("it claims a range from " + std::to_string(lowest) + " to " + std::to_string(highest) +
           ", which is none");
  }
  const unsigned unit_bits = static_cast<unsigned>(std::bit_width(lowest)) - 1;
  const unsigned sub_bits = sub_bucket_bits[digits];
  if (unit_bits + sub_bits > 62) refuse("its range is too short for its significant digits");
  return Buckets(unit_bits, sub_bits, highest);
}

void record_bucket(Histogram& histogram, const Buckets& theirs, std::size_t index,
                   std::uint64_t count) {
  constexpr auto highest = static_cast<std::uint64_t>(Histogram::highest_ns);
  const std::uint64_t lowest = theirs.lowest_of(index);
  if (lowest > highest) {
    refuse("it holds the value " + std::to_string(lowest) + ", and " + std::to_string(highest) +
           " is the highest that can be kept");
  }
  histogram.record(static_cast<std::int64_t>(std::min(theirs.middle_of(index), highest)), count);
}

}  // namespace

std::string encode(const Histogram& histogram) {
  std::string counts;
  put_counts(counts, histogram);
  std::string out;
  out.reserve(header_size + counts.size());
  put<std::uint32_t>(out, cookie_v2 | word_size_v2);
  put<std::uint32_t>(out, static_cast<std::uint32_t>(counts.size()));
  put<std::uint32_t>(out, 0);  // normalizing index offset
  put<std::uint32_t>(out, Histogram::significant_digits);
  put<std::uint64_t>(out, Histogram::lowest_ns);
  put<std::uint64_t>(out, Histogram::highest_ns);
  put<std::uint64_t>(out, one_as_double);  // ratio of the recorded integers to what they stand for
  return out += counts;
}

Histogram decode(std::string_view data) {
  Reader reader(data);
  check_cookie(reader.take<std::uint32_t>());
  const auto payload_size = reader.take<std::uint32_t>();
  if (reader.take<std::uint32_t>() != 0) refuse("its counts are shifted, which is not supported");
  const Buckets theirs = take_buckets(reader);
  // The ratio is for reading a histogram of doubles; the counts do not depend on it, and writers
  // disagree on what to put there.
  reader.take<std::uint64_t>();
  if (reader.left() != payload_size) {
    refuse("its counts should take " + std::to_string(payload_size) + " bytes, there are " +
           std::to_string(reader.left()));
  }
  Histogram histogram;
  std::size_t index = 0;
  while (reader.left() > 0) {
    const std::int64_t value = reader.take_varint();
    const std::size_t room = theirs.size() - index;
    // A run of zeros moves on by its length; negating as unsigned holds for the smallest number.
    const std::uint64_t step = value < 0 ? -static_cast<std::uint64_t>(value) : 1;
    if (step > room) refuse("it has counts past the end of its range");
    if (value > 0) record_bucket(histogram, theirs, index, static_cast<std::uint64_t>(value));
    index += static_cast<std::size_t>(step);
  }
  return histogram;
}

}  // namespace loadcore::histogram
