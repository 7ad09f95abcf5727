#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Looking for bytes several at a time. A block loads Block::size bytes and marks those that are
// below a limit or equal to a byte; a mark is exact for each byte, and unmarked blocks are 0.

namespace loadcore::http {

/// Eight bytes in a word, on any processor.
class WordBlock {
 public:
  using Mask = std::uint64_t;
  static constexpr std::ptrdiff_t size = 8;

  explicit WordBlock(const char* at) noexcept { std::memcpy(&word_, at, sizeof word_); }

  /// Marks bytes less than `limit`, 1 to 128: the sum sets the top bit of the others.
  Mask below(unsigned limit) const noexcept { return below(word_, limit); }
  Mask equal_to(char byte) const noexcept {
    return below(word_ ^ (every_byte * static_cast<unsigned char>(byte)), 1);
  }

  /// The index of the first byte marked; `mask` is not 0.
  static std::size_t first(Mask mask) noexcept {
    const int zeros = std::endian::native == std::endian::little ? std::countr_zero(mask)
                                                                 : std::countl_zero(mask);
    return static_cast<std::size_t>(zeros) / 8;
  }

 private:
  static constexpr Mask every_byte = 0x0101010101010101;
  static Mask below(Mask word, unsigned limit) noexcept {
    const Mask low = (word & (every_byte * 0x7f)) + every_byte * (0x80 - limit);
    return ~(low | word) & (every_byte * 0x80);
  }

  Mask word_;
};

#if defined(__SSE2__)
/// Sixteen bytes, on every x86-64.
class VectorBlock {
 public:
  using Mask = std::uint32_t;
  static constexpr std::ptrdiff_t size = 16;

  explicit VectorBlock(const char* at) noexcept
      : bytes_(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))) {}

  Mask below(unsigned limit) const noexcept {
    const __m128i highest = _mm_set1_epi8(static_cast<char>(limit - 1));
    return marks(_mm_cmpeq_epi8(_mm_min_epu8(bytes_, highest), bytes_));
  }
  Mask equal_to(char byte) const noexcept {
    return marks(_mm_cmpeq_epi8(bytes_, _mm_set1_epi8(byte)));
  }

  static std::size_t first(Mask mask) noexcept {
    return static_cast<std::size_t>(std::countr_zero(mask));
  }

 private:
  static Mask marks(__m128i equal) noexcept { return static_cast<Mask>(_mm_movemask_epi8(equal)); }

  __m128i bytes_;
};
using Block = VectorBlock;
#else
using Block = WordBlock;
#endif

/// Control bytes but for DEL.
struct Control {
  template <typename Block>
  static auto marked(const Block& block) noexcept {
    return block.below(0x20);
  }
  static bool is(char c) noexcept { return static_cast<unsigned char>(c) < 0x20; }
};

/// What ends the name of a field: the colon, or whatever may not stand before it.
struct NameEnd {
  template <typename Block>
  static auto marked(const Block& block) noexcept {
    return block.below(0x21) | block.equal_to(':');
  }
  static bool is(char c) noexcept { return static_cast<unsigned char>(c) < 0x21 || c == ':'; }
};

/// The first byte in [at, end) of class `Wanted`, or end. Reads nothing outside.
template <typename Wanted, typename Block = http::Block>
const char* find(const char* at, const char* end) noexcept {
  for (; end - at >= Block::size; at += Block::size) {
    if (const auto mask = Wanted::marked(Block(at)); mask != 0) return at + Block::first(mask);
  }
  while (at != end && !Wanted::is(*at)) ++at;
  return at;
}

}  // namespace loadcore::http
