// A chunked request body (RFC 9112 section 7.1), put together in place.
#include <algorithm>
#include <charconv>
#include <cstring>

#include "http/request_text.hpp"
#include "loadcore/http/request_reader.hpp"

namespace loadcore::http {

bool RequestReader::take_chunk_size(std::string_view line) noexcept {
  std::size_t size = 0;
  const char* const line_end = line.data() + line.size();
  const auto [end, error] = std::from_chars(line.data(), line_end, size, 16);
  // RFC 9112 section 7.1.1: blanks may stand before the semicolon, but not before the line's end.
  const std::string_view rest(end, static_cast<std::size_t>(line_end - end));
  const bool has_extensions = trimmed(rest).starts_with(';');
  const bool is_number = error == std::errc() || error == std::errc::result_out_of_range;
  if (!is_number || (!rest.empty() && !has_extensions) || !all_in(rest, value_bytes)) {
    refuse(400, "a chunk does not begin with its size");
    return false;
  }
  if (error != std::errc() || size > limits_->body_bytes - body_size_) {
    refuse(413, "the request body is too long");
    return false;
  }
  left_ = size;
  phase_ = size == 0 ? Phase::trailers : Phase::chunk_data;
  return true;
}

void RequestReader::take_chunk_data(char* data, std::size_t size) noexcept {
  const std::size_t bytes = std::min(left_, size - parsed_);
  std::memmove(data + body_begin_ + body_size_, data + parsed_, bytes);
  body_size_ += bytes;
  left_ -= bytes;
  parsed_ += bytes;
  scanned_ = parsed_;
  if (left_ == 0) phase_ = Phase::chunk_end;
}

/// Takes the chunk framing that has been dealt with out of the buffer.
void RequestReader::close_gap(char* data, std::size_t& size) noexcept {
  if (phase_ < Phase::chunk_size) return;
  const std::size_t body_end = body_begin_ + body_size_;
  const std::size_t gap = parsed_ - body_end;
  if (gap == 0) return;
  std::memmove(data + body_end, data + parsed_, size - parsed_);
  size -= gap;
  parsed_ -= gap;
  scanned_ -= gap;
}

}  // namespace loadcore::http
