#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace loadcore::http {

namespace detail {

template <typename Belongs>
constexpr std::array<bool, 256> table_of(Belongs belongs) {
  std::array<bool, 256> table{};
  for (std::size_t byte = 0; byte < table.size(); ++byte) {
    table[byte] = belongs(static_cast<unsigned char>(byte));
  }
  return table;
}

constexpr bool is_one_of(unsigned char byte, std::string_view set) {
  return set.find(static_cast<char>(byte)) != std::string_view::npos;
}

constexpr bool is_alphanumeric(unsigned char byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= 'a' && byte <= 'z');
}

}  // namespace detail

/// RFC 9110 section 5.6.2: what a method and a field's name are made of.
inline constexpr auto token_bytes = detail::table_of([](unsigned char byte) {
  return detail::is_alphanumeric(byte) || detail::is_one_of(byte, "!#$%&'*+-.^_`|~");
});

/// RFC 9110 section 5.5: visible characters, blanks and bytes above 127. No control characters.
inline constexpr auto value_bytes = detail::table_of(
    [](unsigned char byte) { return byte == '\t' || (byte >= 0x20 && byte != 0x7f); });

/// RFC 3986: what a request target is made of, a fragment's mark excepted. The characters that the
/// grammar wants encoded and browsers send as they are ("|^{}) are let through.
inline constexpr auto target_bytes =
    detail::table_of([](unsigned char byte) { return byte > 0x20 && byte < 0x7f && byte != '#'; });

/// RFC 3986 section 3.2.2: a registered name, percent-encodings apart. An IPv4 address is one too.
inline constexpr auto name_bytes = detail::table_of([](unsigned char byte) {
  return detail::is_alphanumeric(byte) || detail::is_one_of(byte, "-._~!$&'()*+,;=");
});

inline bool all_in(std::string_view text, const std::array<bool, 256>& set) noexcept {
  // Without an early exit: what is checked is nearly always right, and short.
  bool all = true;
  for (const char byte : text) all &= set[static_cast<unsigned char>(byte)];
  return all;
}

constexpr char lower(char byte) noexcept {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
}

/// Whether `text` is `lower_case`, whatever the case of its letters.
constexpr bool is_same(std::string_view text, std::string_view lower_case) noexcept {
  if (text.size() != lower_case.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (lower(text[i]) != lower_case[i]) return false;
  }
  return true;
}

/// Without the blanks (space and tab) around it.
constexpr std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// Whether `text` is what a Host field holds (RFC 9110 section 7.2): a name, maybe empty, or an
/// address, IPv6 in brackets, and maybe a port.
bool is_host(std::string_view text) noexcept;

}  // namespace loadcore::http
