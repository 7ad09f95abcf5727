#include "counter/json_text.hpp"

#include <cstdint>

namespace loadcore::counter {
namespace {

constexpr char32_t replacement = 0xFFFD;

void append_unit(std::string& to, std::uint32_t unit) {
  constexpr std::string_view hex = "0123456789abcdef";
  to += {'\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15]};
}

void append_character(std::string& to, char32_t character) {
  if (character < 0x10000) {
    append_unit(to, character);
  } else {
    append_unit(to, 0xD800 + ((character - 0x10000) >> 10));
    append_unit(to, 0xDC00 + ((character - 0x10000) & 0x3FF));
  }
}

/// Takes one character off the front of `text`, which begins beyond ASCII; where that is not UTF-8
/// (RFC 3629), one byte.
char32_t take_character(std::string_view& text) noexcept {
  const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  const char32_t least = size == 4 ? 0x10000 : size == 3 ? 0x800 : 0x80;
  char32_t character = lead & (0x7FU >> size);
  bool valid = lead >= 0xC2 && lead <= 0xF4 && text.size() >= size;
  for (std::size_t i = 1; valid && i < size; ++i) {
    valid = (byte(i) & 0xC0) == 0x80;
    character = character << 6 | (byte(i) & 0x3F);
  }
  valid = valid && character >= least && character <= 0x10FFFF &&
          (character < 0xD800 || character > 0xDFFF);
  text.remove_prefix(valid ? size : 1);
  return valid ? character : replacement;
}

}  // namespace

void append_json(std::string& to, std::string_view text) {
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text.front());
    if (first >= 0x80) {
      append_character(to, take_character(text));
      continue;
    }
    if (first < 0x20 || first == 0x7F) {
      append_unit(to, first);
    } else {
      if (first == '"' || first == '\\') to += '\\';
      to += text.front();
    }
    text.remove_prefix(1);
  }
}

}  // namespace loadcore::counter
