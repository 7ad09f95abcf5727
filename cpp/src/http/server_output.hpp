#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "loadcore/base/clock.hpp"
#include "loadcore/http/server.hpp"

namespace loadcore::http {

/// What an answer says about the connection (RFC 9112 section 9.3).
enum class Persistence : std::uint8_t {
  keep,      ///< HTTP/1.1: nothing need be said
  say_keep,  ///< HTTP/1.0 with keep-alive
  say_close,
};

/// The bytes that a server thread is about to send. Grows to the longest run of answers and stays.
class ServerOutput {
 public:
  ServerOutput();

  /// Refreshes the Date field once a second. `now` is the caller's clock reading.
  void set_time(base::TimePoint now) noexcept {
    if (now >= date_expires_) write_date(now);
  }

  void append(const Answer& answer, bool to_head, Persistence persistence);
  void append(std::string_view bytes);

  std::string_view from(std::size_t mark) const noexcept {
    return {bytes_.get() + mark, size_ - mark};
  }
  std::size_t size() const noexcept { return size_; }
  void truncate(std::size_t mark) noexcept { size_ = mark; }

 private:
  void reserve(std::size_t bytes);
  void put(std::string_view bytes) noexcept;
  void put_number(std::size_t number) noexcept;
  void write_date(base::TimePoint now) noexcept;

  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  base::TimePoint date_expires_{};
  static constexpr std::size_t date_bytes = sizeof "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" - 1;
  char date_[date_bytes];
};

}  // namespace loadcore::http
