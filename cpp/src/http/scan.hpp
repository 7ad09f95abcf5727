#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

// Looking for bytes eight at a time, on any processor: a compiler turns each of these into a
// handful of instructions.

namespace loadcore::http {

using Word = std::uint64_t;

inline constexpr Word every_byte = 0x0101010101010101;

inline Word load_word(const char* at) noexcept {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// 0x80 in each byte of `word` that is less than `limit` (1 to 128), and 0 in the others. No carry
/// leaves a byte, so every byte is exact.
constexpr Word below(Word word, unsigned limit) noexcept {
  const Word low = (word & (every_byte * 0x7f)) + every_byte * (0x80 - limit);
  return ~(low | word) & (every_byte * 0x80);
}

constexpr Word equal_to(Word word, char byte) noexcept {
  return below(word ^ (every_byte * static_cast<unsigned char>(byte)), 1);
}

/// The index of the first byte that `mask`, not zero and made by the above, marks.
constexpr std::size_t first_marked(Word mask) noexcept {
  const int zeros =
      std::endian::native == std::endian::little ? std::countr_zero(mask) : std::countl_zero(mask);
  return static_cast<std::size_t>(zeros) / 8;
}

/// The first byte in [at, end) that `mark`, a Word -> Word like below(), marks; or end.
template <typename Mark>
const char* find_marked(const char* at, const char* end, Mark mark) noexcept {
  for (; end - at >= 8; at += 8) {
    if (const Word mask = mark(load_word(at)); mask != 0) return at + first_marked(mask);
  }
  for (; at != end; ++at) {
    // The byte in all eight places, so that where it is marked does not matter.
    if (mark(every_byte * static_cast<unsigned char>(*at)) != 0) return at;
  }
  return end;
}

}  // namespace loadcore::http
