#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loadcore::http {

/// Reads one answer after another from a stream, however it is cut into pieces, and keeps nothing
/// of a body. Holds a fixed amount of memory and never allocates. RFC 9112.
///
/// Interim answers (1xx) are skipped; 101 is malformed, since nothing here asks for an upgrade.
class ResponseReader {
 public:
  enum class State : std::uint8_t {
    more,       ///< every byte was taken; the answer goes on
    complete,   ///< the answer ended; bytes from `consumed` on belong to whatever follows
    malformed,  ///< not HTTP/1.x, or framed in a way RFC 9112 forbids; the connection is of no use
  };
  struct Result {
    State state;
    std::size_t consumed;
  };

  /// Status line and fields of one answer (interim ones included) may take this many bytes.
  static constexpr std::size_t head_bytes_max = 64 * 1024;

  /// Expects a new answer. `to_head` says that the request was HEAD, whose answer has no body.
  void start(bool to_head) noexcept;

  Result feed(const char* data, std::size_t size) noexcept;

  /// The peer closed the connection: true where that is how this answer's body ends (RFC 9112
  /// section 6.3, rule 8), false where the answer was cut off.
  bool finish() noexcept;

  /// True until the first byte of an answer was taken: a connection closed then was closed idle.
  bool untouched() const noexcept;

  /// Of the answer that was completed last.
  int status() const noexcept;
  /// Whether the connection may carry another request.
  bool keep_alive() const noexcept;
};

}  // namespace loadcore::http
