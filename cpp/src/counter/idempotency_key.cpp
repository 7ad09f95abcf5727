#include "counter/idempotency_key.hpp"

namespace loadcore::counter {
namespace {

constexpr std::string_view field_name = "Idempotency-Key";

bool is_printable(char byte) noexcept { return byte >= 0x20 && byte <= 0x7E; }

bool is_plain(char byte) noexcept {
  return is_printable(byte) && std::string_view(" ,;\"\\").find(byte) == std::string_view::npos;
}

std::optional<std::string_view> unquoted(std::string_view value) {
  if (value.size() > key_bytes_max) return std::nullopt;
  for (const char byte : value) {
    if (!is_plain(byte)) return std::nullopt;
  }
  return value;
}

std::optional<std::string_view> quoted(std::string_view value, KeyBuffer& buffer) {
  if (value.size() < 3 || value.back() != '"') return std::nullopt;
  value = value.substr(1, value.size() - 2);
  std::size_t size = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    char byte = value[i];
    if (byte == '"' || !is_printable(byte)) return std::nullopt;
    if (byte == '\\') {
      if (++i == value.size() || (value[i] != '"' && value[i] != '\\')) return std::nullopt;
      byte = value[i];
    }
    if (size == buffer.size()) return std::nullopt;
    buffer[size++] = byte;
  }
  return std::string_view(buffer.data(), size);
}

}  // namespace

std::optional<std::string_view> idempotency_key(const http::Request& request, KeyBuffer& buffer) {
  const auto value = request.find(field_name);
  if (!value) return std::string_view();
  http::Request behind = request;
  const auto read = static_cast<std::size_t>(value->data() + value->size() - request.fields.data());
  behind.fields = request.fields.substr(request.fields.find('\n', read) + 1);
  if (behind.find(field_name) || value->empty()) return std::nullopt;
  return value->front() == '"' ? quoted(*value, buffer) : unquoted(*value);
}

}  // namespace loadcore::counter
