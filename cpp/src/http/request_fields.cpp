// The fields of a request that say how it is framed, and the end of its head.
#include <charconv>

#include "http/request_text.hpp"
#include "loadcore/http/request_reader.hpp"

namespace loadcore::http {

bool RequestReader::take_field(std::string_view line) noexcept {
  if (line.front() == ' ' || line.front() == '\t') {
    refuse(400, "a field is folded over two lines");
    return false;
  }
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || name.empty() || !all_in(name, token_bytes)) {
    refuse(400, "a field is not a name, a colon and a value");
    return false;
  }
  const std::string_view value = line.substr(colon + 1);
  if (!all_in(value, value_bytes)) {
    refuse(400, "a field has a control character in its value");
    return false;
  }
  // Trailer fields are dropped: merging them could change what has been decided from the head.
  return phase_ == Phase::trailers || take_known_field(name, trimmed(value));
}

bool RequestReader::take_known_field(std::string_view name, std::string_view value) noexcept {
  if (is_same(name, "host")) {
    if (++hosts_ > 1 || !is_host(value)) {
      refuse(400, "the request does not name one Host");
      return false;
    }
  } else if (is_same(name, "connection")) {
    take_connection(value);
  } else if (is_same(name, "content-length")) {
    return take_content_length(value);
  } else if (is_same(name, "transfer-encoding")) {
    if (has_coding_ || !is_same(value, "chunked")) {
      refuse(400, "the Transfer-Encoding is not chunked");
      return false;
    }
    has_coding_ = true;
  } else if (is_same(name, "expect")) {
    if (!is_same(value, "100-continue")) {
      refuse(417, "the only expectation met here is 100-continue");
      return false;
    }
    expects_continue_ = true;
  }
  return true;
}

bool RequestReader::take_content_length(std::string_view value) noexcept {
  std::size_t length = 0;
  // from_chars takes no sign and no blank for an unsigned number, and tells of an overflow.
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
  if (value.empty() || error != std::errc() || end != value.data() + value.size() ||
      (has_length_ && length != left_)) {
    refuse(400, "the Content-Length is not one number");
    return false;
  }
  has_length_ = true;
  left_ = length;
  return true;
}

void RequestReader::take_connection(std::string_view value) noexcept {
  while (!value.empty()) {
    const std::size_t comma = value.find(',');
    const std::string_view option = trimmed(value.substr(0, comma));
    if (is_same(option, "close")) says_close_ = true;
    if (is_same(option, "keep-alive")) says_keep_alive_ = true;
    value.remove_prefix(comma == std::string_view::npos ? value.size() : comma + 1);
  }
}

/// Decides how the body is framed (RFC 9112 section 6.3).
bool RequestReader::end_head() noexcept {
  if (minor_version_ == 1 && hosts_ != 1) {
    refuse(400, "the request does not name one Host");
    return false;
  }
  if (has_coding_ && (has_length_ || minor_version_ == 0)) {
    refuse(400, has_length_ ? "the request has both Transfer-Encoding and Content-Length"
                            : "HTTP/1.0 knows no Transfer-Encoding");
    return false;
  }
  if (left_ > limits_->body_bytes) {
    refuse(413, "the request body is too long");
    return false;
  }
  if (has_coding_) {
    phase_ = Phase::chunk_size;
  } else {
    phase_ = left_ > 0 ? Phase::body : Phase::done;
  }
  if (minor_version_ == 0 || phase_ == Phase::done) expects_continue_ = false;
  return true;
}

}  // namespace loadcore::http
