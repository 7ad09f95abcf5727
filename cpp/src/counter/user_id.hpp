#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "loadcore/counter/store.hpp"

namespace loadcore::counter {

/// What a userId is made of.
inline constexpr std::array<bool, 256> user_bytes = [] {
  std::array<bool, 256> table{};
  constexpr std::string_view all =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-";
  for (const char byte : all) table[static_cast<unsigned char>(byte)] = true;
  return table;
}();

inline bool is_user_byte(char byte) noexcept {
  return user_bytes[static_cast<unsigned char>(byte)];
}

inline bool is_user_id(std::string_view text) noexcept {
  return !text.empty() && text.size() <= user_bytes_max &&
         std::all_of(text.begin(), text.end(), is_user_byte);
}

}  // namespace loadcore::counter
