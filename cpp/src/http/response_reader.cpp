#include "loadcore/http/response_reader.hpp"

#include <algorithm>

#include "http/scan.hpp"
#include "loadcore/base/assert.hpp"

// A line that a piece cuts is put together in line_; any other is read where it lies. Both are
// understood by the same functions from at most line_bytes_max of their bytes, which is why a cut
// cannot change the outcome. take_usual_lines() is a shorter way for the head of a usual answer,
// and leaves whatever is not usual to take_line().

namespace loadcore::http {
namespace {

/// Whether a field of this name may be one of those that are looked at: false for most.
bool may_frame(std::string_view name) noexcept {
  constexpr std::uint32_t sizes = 1U << std::string_view("connection").size() |
                                  1U << std::string_view("content-length").size() |
                                  1U << std::string_view("transfer-encoding").size();
  return name.size() < 32 && (sizes >> name.size() & 1U) != 0;
}

/// The first control byte other than a tab, which may stand in a value.
const char* find_control(const char* at, const char* end) noexcept {
  do {
    at = find<Control>(at, end);
  } while (at != end && *at == '\t' && ++at != end);
  return at;
}

bool is_line_end(const char* at, const char* last) noexcept {
  return at != last && at[0] == '\r' && at[1] == '\n';
}

constexpr auto line_length_max = static_cast<std::ptrdiff_t>(ResponseReader::line_bytes_max);

}  // namespace

void ResponseReader::start(bool to_head) noexcept {
  phase_ = Phase::status_line;
  to_head_ = to_head;
  untouched_ = true;
  after_cr_ = false;
  interims_ = 0;
  empty_lines_ = 0;
  message_ = {};
  head_bytes_ = 0;
  line_bytes_ = 0;
}

ResponseReader::Result ResponseReader::feed(const char* data, std::size_t size) noexcept {
  const char* at = data;
  const char* const end = data + size;
  if (size != 0) untouched_ = false;
  while (at != end && phase_ < Phase::complete) {
    if (phase_ <= Phase::fields && line_bytes_ == 0 && !after_cr_) {
      at = take_usual_lines(at, end);
      if (at == end || phase_ >= Phase::complete) break;
    }
    at = phase_ < Phase::body ? take_line(at, end) : take_body(at, end);
  }
  const State state = phase_ < Phase::complete    ? State::more
                      : phase_ == Phase::complete ? State::complete
                                                  : State::malformed;
  return {state, static_cast<std::size_t>(at - data)};
}

bool ResponseReader::finish() noexcept {
  if (phase_ != Phase::body_until_close) return false;
  message_.close = true;
  phase_ = Phase::complete;
  return true;
}

bool ResponseReader::keep_alive() const noexcept {
  return !message_.close && (!message_.http_1_0 || message_.keep_alive);
}

const char* ResponseReader::malformed(const char* at) noexcept {
  phase_ = Phase::malformed;
  return at;
}

/// Takes lines of the usual kind: whole, well-formed, not long, without tabs, ended by CRLF.
const char* ResponseReader::take_usual_lines(const char* at, const char* end) noexcept {
  const char* const last = end - 1;  // a line end that begins here is not whole
  const char* line = at;
  if (phase_ == Phase::status_line) {
    const char* const stop = find<Control>(line, last);
    if (stop == line || !is_line_end(stop, last)) return at;
    if (!on_status_line({line, stop})) return malformed(stop);
    line = stop + 2;
  }
  while (line < last) {
    const char* const colon = find<NameEnd>(line, last);
    if (colon == line) {
      if (!is_line_end(colon, last)) break;
      line += 2;
      if (account(static_cast<std::size_t>(line - at)) && !on_head()) return malformed(line);
      return line;
    }
    if (colon == last || *colon != ':') break;
    const char* const stop = find<Control>(colon + 1, last);
    if (!is_line_end(stop, last) || stop - line > line_length_max) break;
    const std::string_view name(line, colon);
    if (may_frame(name) && !on_field(name, {colon + 1, stop}, false)) return malformed(stop);
    line = stop + 2;
  }
  account(static_cast<std::size_t>(line - at));
  return line;
}

/// Takes a line, or what there is of it.
const char* ResponseReader::take_line(const char* at, const char* end) noexcept {
  const char* stop = at;
  if (!after_cr_) {
    stop = find_control(at, end);
    if (stop == end) {
      keep(at, end);
      return end;
    }
  }
  const char* next = stop;
  if (!after_cr_ && *next == '\r' && ++next == end) {
    keep(at, stop);
    if (phase_ != Phase::malformed) after_cr_ = account(1);
    return end;
  }
  // A bare LF ends a line of the head (RFC 9112 section 2.2), but none of the chunked coding, where
  // readers that differ on it can be played against each other.
  const bool bare_lf = next == stop && !after_cr_;
  if (*next != '\n' || (bare_lf && phase_ >= Phase::chunk_size)) return malformed(next);
  ++next;
  after_cr_ = false;

  if (line_bytes_ == 0) {
    if (!account(static_cast<std::size_t>(next - at))) return next;
    const auto size = static_cast<std::size_t>(stop - at);
    on_line({at, std::min(size, line_bytes_max)}, size > line_bytes_max);
    return next;
  }
  keep(at, stop);
  if (phase_ == Phase::malformed || !account(static_cast<std::size_t>(next - stop))) return next;
  const std::size_t size = line_bytes_;
  line_bytes_ = 0;
  on_line({line_.data(), std::min(size, line_bytes_max)}, size > line_bytes_max);
  return next;
}

/// Puts away a part of a line whose end has not come yet.
void ResponseReader::keep(const char* begin, const char* end) noexcept {
  const auto size = static_cast<std::size_t>(end - begin);
  if (!account(size)) return;
  if (line_bytes_ < line_bytes_max) {
    const std::size_t fitting = std::min(size, line_bytes_max - line_bytes_);
    std::copy_n(begin, fitting, line_.data() + line_bytes_);
  }
  line_bytes_ += static_cast<std::uint32_t>(size);
  // What does not even begin as an answer need not be waited for.
  const std::string_view start(line_.data(), std::min<std::size_t>(line_bytes_, version_.size()));
  if (phase_ == Phase::status_line && !version_.starts_with(start)) phase_ = Phase::malformed;
  // Lines of the head are bounded together; these are not, as a body has any number of them.
  if (phase_ >= Phase::chunk_size && line_bytes_ > line_bytes_max) phase_ = Phase::malformed;
}

/// Counts bytes of the head; false and malformed where there are too many.
bool ResponseReader::account(std::size_t bytes) noexcept {
  if (phase_ >= Phase::chunk_size) return true;
  if (bytes > head_bytes_max - head_bytes_) {
    phase_ = Phase::malformed;
    return false;
  }
  head_bytes_ += static_cast<std::uint32_t>(bytes);
  return true;
}

const char* ResponseReader::take_body(const char* at, const char* end) noexcept {
  if (phase_ == Phase::body_until_close) return end;
  const auto here = static_cast<std::uint64_t>(end - at);
  const std::uint64_t taken = std::min(here, left_);
  left_ -= taken;
  if (left_ == 0) phase_ = phase_ == Phase::body ? Phase::complete : Phase::chunk_end;
  return at + taken;
}

/// `line` is without its line end; where it is longer than line_bytes_max, `cut` says so.
void ResponseReader::on_line(std::string_view line, bool cut) noexcept {
  bool good = true;
  switch (phase_) {
    case Phase::fields:
      good = line.empty() ? on_head() : on_field_line(line, cut);
      break;
    case Phase::status_line:
      good = line.empty() ? ++empty_lines_ <= empty_lines_max : on_status_line(line);
      break;
    case Phase::chunk_size:
      good = !cut && on_chunk_size(line);
      break;
    case Phase::chunk_end:
      good = line.empty();
      phase_ = Phase::chunk_size;
      break;
    case Phase::trailers:
      if (line.empty()) {
        phase_ = Phase::complete;
      } else {
        good = on_field_line(line, cut);
      }
      break;
    default:
      LOADCORE_ASSERT(false);
  }
  if (!good) phase_ = Phase::malformed;
}

}  // namespace loadcore::http
