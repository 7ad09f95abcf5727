#include <algorithm>
#include <cstddef>
#include <optional>

#include "http/request_text.hpp"
#include "loadcore/net/endpoint.hpp"

namespace loadcore::http {
namespace {

constexpr bool is_digit(char byte) noexcept { return byte >= '0' && byte <= '9'; }

constexpr bool is_hex_digit(char byte) noexcept {
  return is_digit(byte) || (lower(byte) >= 'a' && lower(byte) <= 'f');
}

/// How many bytes the registered name that `text` begins with has.
std::size_t name_size(std::string_view text) noexcept {
  std::size_t size = 0;
  while (size < text.size()) {
    if (name_bytes[static_cast<unsigned char>(text[size])]) {
      ++size;
    } else if (text[size] == '%' && text.size() - size > 2 && is_hex_digit(text[size + 1]) &&
               is_hex_digit(text[size + 2])) {
      size += 3;
    } else {
      break;
    }
  }
  return size;
}

/// Of an IPv6 address in brackets; 0 where it is none. A zone means nothing to another machine.
std::size_t literal_size(std::string_view text) noexcept {
  const std::size_t end = text.find(']');
  if (end == std::string_view::npos) return 0;
  const std::string_view address = text.substr(1, end - 1);
  const bool is_one = address.find(':') != std::string_view::npos &&
                      address.find('%') == std::string_view::npos &&
                      net::Endpoint::from_address(address, 0).has_value();
  return is_one ? end + 1 : 0;
}

}  // namespace

bool is_host(std::string_view text) noexcept {
  const bool is_literal = text.starts_with('[');
  const std::size_t size = is_literal ? literal_size(text) : name_size(text);
  if (is_literal && size == 0) return false;
  text.remove_prefix(size);
  return text.empty() ||
         (text.front() == ':' && std::all_of(text.begin() + 1, text.end(), is_digit));
}

}  // namespace loadcore::http
