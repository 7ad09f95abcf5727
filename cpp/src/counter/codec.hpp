#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace loadcore::counter {

/// Numbers as the files have them: little-endian, or LEB128 where small ones are the rule.
template <typename Number>
void put(std::string& out, Number value) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(value >> (8 * i))));
  }
}

inline void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

/// Up to 255 bytes, behind one byte of length.
inline void put_text(std::string& out, std::string_view text) {
  out.push_back(static_cast<char>(text.size()));
  out.append(text);
}

template <typename Number>
Number number_at(std::string_view bytes, std::size_t at) noexcept {
  Number value = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    value |= static_cast<Number>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  }
  return value;
}

/// Takes apart what the functions above put together. Anything may be fed to it: past the end, or
/// at a number that does not fit, it turns bad() for good and hands out zeros.
class Parser {
 public:
  explicit Parser(std::string_view bytes) noexcept : left_(bytes) {}

  bool bad() const noexcept { return bad_; }
  bool at_end() const noexcept { return left_.empty(); }

  std::uint8_t byte() noexcept {
    if (left_.empty()) return fail();
    const auto value = static_cast<std::uint8_t>(left_.front());
    left_.remove_prefix(1);
    return value;
  }

  template <typename Number>
  Number number() noexcept {
    if (left_.size() < sizeof(Number)) return fail();
    const Number value = number_at<Number>(left_, 0);
    left_.remove_prefix(sizeof(Number));
    return value;
  }

  std::uint64_t varint() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t part = byte();
      if (bad_ || (shift == 63 && part > 1)) return fail();
      value |= static_cast<std::uint64_t>(part & 0x7F) << shift;
      if ((part & 0x80) == 0) return value;
    }
    return fail();
  }

  std::string_view text() noexcept {
    const std::size_t size = byte();
    if (left_.size() < size) {
      fail();
      return {};
    }
    const std::string_view value = left_.substr(0, size);
    left_.remove_prefix(size);
    return value;
  }

 private:
  std::uint8_t fail() noexcept {
    bad_ = true;
    left_ = {};
    return 0;
  }

  std::string_view left_;
  bool bad_ = false;
};

}  // namespace loadcore::counter
