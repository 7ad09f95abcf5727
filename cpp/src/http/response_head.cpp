#include <algorithm>
#include <cstring>

#include "http/scan.hpp"
#include "loadcore/http/response_reader.hpp"

// What the lines of a head and of the chunked coding mean; response_reader.cpp finds the lines.

namespace loadcore::http {
namespace {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::uint64_t load(const char* at) noexcept {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// Whether `text` is `lower`, letters and hyphens in lower case and at least eight of them, in any
/// case. Setting the bit 0x20 makes letters small; the one other byte that it turns into one of
/// these is CR, into a hyphen, and no line holds a CR.
bool is_word(std::string_view text, std::string_view lower) noexcept {
  if (text.size() != lower.size()) return false;
  const auto small = [](const char* at) { return load(at) | 0x2020202020202020; };
  const std::size_t last = lower.size() - 8;
  return ((small(text.data()) ^ load(lower.data())) |
          (small(text.data() + last) ^ load(lower.data() + last))) == 0;
}

/// The same for a `lower` that is shorter, and letters only.
bool is_letters(std::string_view text, std::string_view lower) noexcept {
  return std::ranges::equal(text, lower, {}, [](char c) { return c | 0x20; });
}

/// Calls take(element), trimmed, for each element of a comma-separated list until it says false.
template <typename Take>
bool for_each_element(std::string_view list, Take take) noexcept {
  const char* at = list.data();
  const char* const end = at + list.size();
  for (;;) {
    const char* comma = at;
    while (comma != end && *comma != ',') ++comma;
    if (!take(trim({at, comma}))) return false;
    if (comma == end) return true;
    at = comma + 1;
  }
}

}  // namespace

/// `HTTP/1.1 200 OK`; the reason may be missing, with or without the space before it.
bool ResponseReader::on_status_line(std::string_view line) noexcept {
  if (line.size() < 12 || !line.starts_with(version_) || !is_digit(line[7]) || line[8] != ' ' ||
      !is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11])) {
    return false;
  }
  if (line.size() > 12 && line[12] != ' ') return false;
  const int status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  if (status < 100 || status == 101) return false;
  message_.status = static_cast<std::int16_t>(status);
  message_.http_1_0 = line[7] == '0';
  phase_ = Phase::fields;
  return true;
}

bool ResponseReader::on_field_line(std::string_view line, bool cut) noexcept {
  const char* const end = line.data() + line.size();
  const char* const colon = find<NameEnd>(line.data(), end);
  // Whitespace in front of the colon, or in front of it all (obs-fold), is in the way here.
  if (colon == end || colon == line.data() || *colon != ':') return false;
  return phase_ == Phase::trailers || on_field({line.data(), colon}, {colon + 1, end}, cut);
}

bool ResponseReader::on_field(std::string_view name, std::string_view value, bool cut) noexcept {
  if (is_word(name, "content-length")) return !cut && on_content_length(value);
  if (is_word(name, "transfer-encoding")) return !cut && on_transfer_encoding(value);
  if (!is_word(name, "connection")) return true;
  on_connection(value);
  return !cut;
}

/// A number, or the same number several times (RFC 9110 section 8.6).
bool ResponseReader::on_content_length(std::string_view value) noexcept {
  return for_each_element(value, [this](std::string_view digits) {
    std::uint64_t length = 0;
    for (const char c : digits) {
      constexpr std::uint64_t limit = UINT64_MAX / 10 - 1;
      if (!is_digit(c) || length > limit) return false;
      length = length * 10 + static_cast<std::uint64_t>(c - '0');
    }
    const bool differs = message_.has_content_length && message_.content_length != length;
    message_.has_content_length = true;
    message_.content_length = length;
    return !digits.empty() && !differs;
  });
}

bool ResponseReader::on_transfer_encoding(std::string_view value) noexcept {
  // A parameter's quotes could hide a comma; no coding that is in use has any.
  if (value.find('"') != value.npos) return false;
  if (message_.coding == Coding::none) message_.coding = Coding::other;
  return for_each_element(value, [this](std::string_view element) {
    const std::string_view name = trim(element.substr(0, element.find(';')));
    if (name.empty()) return element.empty();  // RFC 9110 section 5.6.1.2: ignore empty elements
    const bool before = message_.coding >= Coding::chunked_last;
    if (!is_letters(name, "chunked")) {
      message_.coding = before ? Coding::chunked_not_last : Coding::other;
      return true;
    }
    // Twice is forbidden (RFC 9112 section 6.1), parameters are an error (section 7.1).
    message_.coding = Coding::chunked_last;
    return !before && name.size() == element.size();
  });
}

void ResponseReader::on_connection(std::string_view value) noexcept {
  if (is_word(trim(value), "keep-alive")) {  // by far the most usual
    message_.keep_alive = true;
    return;
  }
  for_each_element(value, [this](std::string_view option) {
    if (is_letters(option, "close")) message_.close = true;
    if (is_word(option, "keep-alive")) message_.keep_alive = true;
    return true;
  });
}

/// The head has ended: decides how the body will, by RFC 9112 section 6.3.
bool ResponseReader::on_head() noexcept {
  const bool transfer_encoding = message_.coding != Coding::none;
  if (transfer_encoding && (message_.has_content_length || message_.http_1_0)) return false;
  if (message_.status < 200) {
    message_ = {};
    phase_ = Phase::status_line;
    return ++interims_ <= interim_max;
  }
  const bool bodiless = to_head_ || message_.status == 204 || message_.status == 304;
  if (bodiless || (message_.has_content_length && message_.content_length == 0)) {
    phase_ = Phase::complete;
  } else if (message_.has_content_length) {
    left_ = message_.content_length;
    phase_ = Phase::body;
  } else if (message_.coding == Coding::chunked_last) {
    phase_ = Phase::chunk_size;
  } else {
    phase_ = Phase::body_until_close;
  }
  return true;
}

/// `1a2b` or `1a2b;extension`.
bool ResponseReader::on_chunk_size(std::string_view line) noexcept {
  std::uint64_t size = 0;
  std::size_t digits = 0;
  for (; digits < line.size(); ++digits) {
    const char c = line[digits];
    const char lower = static_cast<char>(c | 0x20);
    const bool letter = lower >= 'a' && lower <= 'f';
    if (!is_digit(c) && !letter) break;
    if (size >> 60U != 0) return false;
    size = size << 4U | static_cast<std::uint64_t>(letter ? lower - 'a' + 10 : c - '0');
  }
  const std::string_view rest = trim(line.substr(digits));
  if (digits == 0 || (rest.empty() ? digits != line.size() : rest.front() != ';')) return false;
  left_ = size;
  phase_ = size == 0 ? Phase::trailers : Phase::chunk;
  return true;
}

}  // namespace loadcore::http
