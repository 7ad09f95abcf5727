#include "loadcore/http/request_reader.hpp"

#include <algorithm>
#include <cstring>

#include "http/request_text.hpp"

namespace loadcore::http {
namespace {

/// Longer than any method there is.
constexpr std::size_t method_bytes_max = 32;
/// A chunk's size with its extensions, which nobody uses.
constexpr std::size_t chunk_line_bytes_max = 256;
constexpr std::string_view http_scheme = "http://";

}  // namespace

std::optional<std::string_view> Request::find(std::string_view name) const noexcept {
  std::string_view rest = fields;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\r');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    bool same = true;
    for (std::size_t i = 0; i < name.size(); ++i) same &= lower(line[i]) == lower(name[i]);
    if (same) return trimmed(line.substr(name.size() + 1));
  }
  return std::nullopt;
}

void RequestReader::start() noexcept { *this = RequestReader(*limits_); }

RequestReader::State RequestReader::refuse(int status, std::string_view reason) noexcept {
  refusal_ = {status, reason};
  return State::refused;
}

RequestReader::State RequestReader::read(char* data, std::size_t& size) noexcept {
  State state = State::more;
  Phase before;
  do {
    before = phase_;
    const std::size_t parsed_before = parsed_;
    state = step(data, size);
    if (state == State::more && parsed_ == parsed_before && phase_ == before) break;
  } while (state == State::more);
  if (state == State::more) close_gap(data, size);
  return state;
}

/// Deals with one line, or with as much of the body as there is.
RequestReader::State RequestReader::step(char* data, std::size_t size) noexcept {
  if (phase_ == Phase::body) {
    if (size - parsed_ < left_) return State::more;
    parsed_ += left_;
    body_size_ = left_;
    phase_ = Phase::done;
    return State::complete;
  }
  if (phase_ == Phase::chunk_data) {
    take_chunk_data(data, size);
    return State::more;
  }

  std::string_view line;
  switch (next_line(data, size, line)) {
    case Line::more:
      return State::more;
    case Line::refused:
      return State::refused;
    case Line::complete:
      break;
  }
  bool fine = true;
  switch (phase_) {
    case Phase::request_line:
      if (line.empty() && !blank_line_skipped_) {
        blank_line_skipped_ = true;  // RFC 9112 section 2.2
      } else {
        fine = take_request_line(line, data);
      }
      break;
    case Phase::fields:
      if (!line.empty()) {
        fine = take_field(line);
        break;
      }
      if (!end_head()) return State::refused;
      fields_end_ = static_cast<std::uint32_t>(parsed_ - 2);
      body_begin_ = parsed_;
      if (phase_ == Phase::done) return State::complete;
      break;
    case Phase::chunk_size:
      fine = take_chunk_size(line);
      break;
    case Phase::chunk_end:
      fine = line.empty();
      if (!fine) refuse(400, "a chunk is longer than its size says");
      phase_ = Phase::chunk_size;
      break;
    case Phase::trailers:
      trailer_bytes_ += line.size() + 2;
      if (line.empty()) {
        phase_ = Phase::done;
        return State::complete;
      }
      fine = take_field(line);
      break;
    default:
      break;
  }
  return fine ? State::more : State::refused;
}

/// A line without its CRLF, once it is there as a whole; the reader moves behind it.
RequestReader::Line RequestReader::next_line(const char* data, std::size_t size,
                                             std::string_view& line) noexcept {
  const auto* end = static_cast<const char*>(std::memchr(data + scanned_, '\n', size - scanned_));
  // Before anything else, so that it does not matter how much of the line has come.
  const std::size_t seen = end == nullptr ? size : static_cast<std::size_t>(end - data) + 1;
  if (!is_within_limits(seen)) return Line::refused;
  scanned_ = seen;
  if (end == nullptr) return Line::more;
  if (seen - parsed_ < 2 || end[-1] != '\r') {
    refuse(400, "a line does not end in CR LF");
    return Line::refused;
  }
  line = {data + parsed_, seen - 2 - parsed_};
  parsed_ = seen;
  return Line::complete;
}

/// Whether the line under way may reach to `seen`.
bool RequestReader::is_within_limits(std::size_t seen) noexcept {
  const std::size_t line_bytes = seen - parsed_;
  switch (phase_) {
    case Phase::request_line:
      if (line_bytes > limits_->target_bytes + method_bytes_max + sizeof "  HTTP/1.1\r") {
        refuse(414, "the request target is too long");
        return false;
      }
      [[fallthrough]];
    case Phase::fields:
      if (seen <= limits_->head_bytes) return true;
      refuse(431, "the request head is too long");
      return false;
    case Phase::trailers:
      if (trailer_bytes_ + line_bytes <= limits_->head_bytes) return true;
      refuse(431, "the trailer fields are too long");
      return false;
    default:
      if (line_bytes <= chunk_line_bytes_max) return true;
      refuse(400, "a chunk size line is too long");
      return false;
  }
}

bool RequestReader::take_request_line(std::string_view line, const char* data) noexcept {
  const std::size_t method_end = line.find(' ');
  const std::size_t target_end = line.rfind(' ');
  if (method_end == std::string_view::npos || method_end == target_end) {
    refuse(400, "the request line is not method, target and version");
    return false;
  }
  const std::string_view method = line.substr(0, method_end);
  const std::string_view target = line.substr(method_end + 1, target_end - method_end - 1);
  if (method.empty() || method.size() > method_bytes_max || !all_in(method, token_bytes)) {
    refuse(400, "the method is not a token");
    return false;
  }
  method_ = {static_cast<std::uint32_t>(method.data() - data),
             static_cast<std::uint32_t>(method.size())};
  fields_begin_ = static_cast<std::uint32_t>(parsed_);
  phase_ = Phase::fields;
  return take_target(method, target, data) && take_version(line.substr(target_end + 1));
}

/// RFC 9112 section 3.2: origin form, absolute form (its authority must be sound, and is not looked
/// at further), or the asterisk of OPTIONS. No authority form, since nothing here is a proxy.
bool RequestReader::take_target(std::string_view method, std::string_view target,
                                const char* data) noexcept {
  if (target.size() > limits_->target_bytes) {
    refuse(414, "the request target is too long");
    return false;
  }
  target_ = {static_cast<std::uint32_t>(target.data() - data),
             static_cast<std::uint32_t>(target.size())};
  std::string_view path = target;
  bool is_fine = true;
  if (is_same(target.substr(0, http_scheme.size()), http_scheme)) {
    const std::string_view rest = target.substr(http_scheme.size());
    const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    is_fine = end > 0 && rest.front() != ':' && is_host(rest.substr(0, end));
    path = rest.substr(end);
  } else {
    is_fine = target.starts_with('/') || (target == "*" && method == "OPTIONS");
  }
  if (!is_fine || !all_in(target, target_bytes)) {
    refuse(400, "the request target is not a path");
    return false;
  }
  const std::size_t mark = path.find('?');
  const auto begin = static_cast<std::uint32_t>(path.data() - data);
  if (mark != std::string_view::npos) query_begin_ = begin + static_cast<std::uint32_t>(mark) + 1;
  path_ = {begin, static_cast<std::uint32_t>(path.substr(0, mark).size())};
  return true;
}

/// A minor version above 1 is read as 1.1 (RFC 9110 section 2.5).
bool RequestReader::take_version(std::string_view version) noexcept {
  if (version == "HTTP/1.1") return true;
  const auto digit = [](char byte) { return byte >= '0' && byte <= '9'; };
  if (version.size() != 8 || !version.starts_with("HTTP/") || !digit(version[5]) ||
      version[6] != '.' || !digit(version[7])) {
    refuse(400, "the request line does not end in an HTTP version");
    return false;
  }
  if (version[5] != '1') {
    refuse(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    return false;
  }
  minor_version_ = version[7] == '0' ? 0 : 1;
  return true;
}

bool RequestReader::is_head(const char* data) const noexcept {
  return std::string_view(data + method_.begin, method_.size) == "HEAD";
}

Request RequestReader::request(const char* data) const noexcept {
  Request request;
  request.method = {data + method_.begin, method_.size};
  request.target = {data + target_.begin, target_.size};
  if (path_.size > 0) {
    request.path = {data + path_.begin, path_.size};
  } else {  // of the absolute form (RFC 9110 section 4.2.3, RFC 9112 section 3.2.4)
    request.path = request.method == "OPTIONS" && query_begin_ == 0 ? "*" : "/";
  }
  if (query_begin_ != 0) {
    request.query = {data + query_begin_, target_.begin + target_.size - query_begin_};
  }
  request.fields = {data + fields_begin_, fields_end_ - fields_begin_};
  request.body = {data + body_begin_, body_size_};
  request.keep_alive = !says_close_ && (minor_version_ == 1 || says_keep_alive_);
  return request;
}

}  // namespace loadcore::http
