#include "http/server_output.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace loadcore::http {
namespace {

/// More than status line, the server's own fields and line ends of an answer take.
constexpr std::size_t head_room = 256;

/// Of the statuses that a handler is likely to give; a reason phrase may be empty (RFC 9112
/// section 4), and nobody reads it.
std::string_view status_line(int status) noexcept {
  switch (status) {
    case 200:
      return "HTTP/1.1 200 OK\r\n";
    case 201:
      return "HTTP/1.1 201 Created\r\n";
    case 202:
      return "HTTP/1.1 202 Accepted\r\n";
    case 204:
      return "HTTP/1.1 204 No Content\r\n";
    case 304:
      return "HTTP/1.1 304 Not Modified\r\n";
    case 400:
      return "HTTP/1.1 400 Bad Request\r\n";
    case 404:
      return "HTTP/1.1 404 Not Found\r\n";
    case 405:
      return "HTTP/1.1 405 Method Not Allowed\r\n";
    case 408:
      return "HTTP/1.1 408 Request Timeout\r\n";
    case 409:
      return "HTTP/1.1 409 Conflict\r\n";
    case 413:
      return "HTTP/1.1 413 Content Too Large\r\n";
    case 414:
      return "HTTP/1.1 414 URI Too Long\r\n";
    case 417:
      return "HTTP/1.1 417 Expectation Failed\r\n";
    case 422:
      return "HTTP/1.1 422 Unprocessable Content\r\n";
    case 429:
      return "HTTP/1.1 429 Too Many Requests\r\n";
    case 431:
      return "HTTP/1.1 431 Request Header Fields Too Large\r\n";
    case 500:
      return "HTTP/1.1 500 Internal Server Error\r\n";
    case 503:
      return "HTTP/1.1 503 Service Unavailable\r\n";
    case 505:
      return "HTTP/1.1 505 HTTP Version Not Supported\r\n";
    default:
      return {};
  }
}

}  // namespace

ServerOutput::ServerOutput() { reserve(16 * 1024); }

void ServerOutput::reserve(std::size_t bytes) {
  if (capacity_ - size_ >= bytes) return;
  const std::size_t capacity = std::max(2 * capacity_, size_ + bytes);
  auto grown = std::make_unique_for_overwrite<char[]>(capacity);
  if (size_ > 0) std::memcpy(grown.get(), bytes_.get(), size_);
  bytes_ = std::move(grown);
  capacity_ = capacity;
}

void ServerOutput::put(std::string_view bytes) noexcept {
  size_ += bytes.copy(bytes_.get() + size_, bytes.size());
}

void ServerOutput::put_number(std::size_t number) noexcept {
  char* const begin = bytes_.get() + size_;
  size_ += static_cast<std::size_t>(std::to_chars(begin, begin + 20, number).ptr - begin);
}

void ServerOutput::append(std::string_view bytes) {
  reserve(bytes.size());
  put(bytes);
}

void ServerOutput::append(const Answer& answer, bool to_head, Persistence persistence) {
  reserve(head_room + answer.content_type.size() + answer.fields.size() + answer.body.size());
  if (const std::string_view line = status_line(answer.status); !line.empty()) {
    put(line);
  } else {
    put("HTTP/1.1 ");
    put_number(static_cast<std::size_t>(answer.status));
    put(" \r\n");
  }
  put({date_, date_bytes});
  const bool has_body = answer.status != 204 && answer.status != 304;
  if (has_body) {
    put("Content-Type: ");
    put(answer.content_type);
    put("\r\nContent-Length: ");
    put_number(answer.body.size());
    put("\r\n");
  }
  if (persistence == Persistence::say_keep) put("Connection: keep-alive\r\n");
  if (persistence == Persistence::say_close) put("Connection: close\r\n");
  put(answer.fields);
  put("\r\n");
  if (has_body && !to_head) put(answer.body);
}

void ServerOutput::write_date(base::TimePoint now) noexcept {
  constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  timespec wall{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  std::tm utc{};
  ::gmtime_r(&wall.tv_sec, &utc);
  // Not strftime, whose names follow the locale.
  char text[80];
  std::snprintf(text, sizeof text, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                days[utc.tm_wday], utc.tm_mday, months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour,
                utc.tm_min, utc.tm_sec);
  std::memcpy(date_, text, date_bytes);
  date_expires_ = now + std::chrono::seconds(1) - std::chrono::nanoseconds(wall.tv_nsec);
}

}  // namespace loadcore::http
