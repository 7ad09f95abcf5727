#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loadcore::http {

/// Reads one answer after another from a stream, however it is cut into pieces, and keeps nothing
/// of a body. The outcome never depends on where the cuts are. Holds a fixed amount of memory, some
/// 300 bytes, and never allocates. Used by one thread at a time. RFC 9112.
///
/// Interim answers (1xx) are skipped; 101 is malformed, since nothing here asks for an upgrade.
/// Only what frames a message is looked at: the status line, Content-Length, Transfer-Encoding and
/// Connection. Of any other field line it matters that it has a name, a colon and no control bytes.
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

  /// Status line, fields and trailers of one answer (interim ones included) may take this many
  /// bytes, line ends included.
  static constexpr std::size_t head_bytes_max = 64 * 1024;
  /// So long may a line be that has to be understood: a framing field, a field's name, a chunk's
  /// size with its extensions.
  static constexpr std::size_t line_bytes_max = 256;
  /// Interim answers before the real one, and empty lines before the status line.
  static constexpr int interim_max = 64;
  static constexpr int empty_lines_max = 4;

  /// Expects a new answer. `to_head` says that the request was HEAD, whose answer has no body.
  void start(bool to_head) noexcept;

  /// Takes the next `size` bytes. Once it has returned `complete` or `malformed` it takes no more
  /// until start() is called.
  Result feed(const char* data, std::size_t size) noexcept;

  /// The peer closed the connection: true where that is how this answer's body ends (RFC 9112
  /// section 6.3, rule 8), false where the answer was cut off.
  bool finish() noexcept;

  /// True from start() until the first byte was taken: a connection closed then was closed idle.
  bool untouched() const noexcept { return untouched_; }

  /// Of a complete answer, until start(): 200 to 999 (RFC 9110 section 15 has classes up to 5xx and
  /// lets others be).
  int status() const noexcept { return message_.status; }
  /// Of a complete answer, until start(): whether the connection may carry another request.
  bool keep_alive() const noexcept;

 private:
  /// What comes next in the stream. The order matters: those before `body` are made of lines.
  enum class Phase : std::uint8_t {
    status_line,
    fields,
    trailers,
    chunk_size,
    chunk_end,  ///< the line end behind a chunk's data
    body,
    chunk,
    body_until_close,
    complete,
    malformed,
  };

  /// What Transfer-Encoding says of the codings seen so far.
  enum class Coding : std::uint8_t { none, other, chunked_last, chunked_not_last };

  /// What the head of one message says.
  struct Message {
    std::uint64_t content_length = 0;
    std::int16_t status = 0;
    Coding coding = Coding::none;
    bool has_content_length = false;
    bool http_1_0 = false;
    bool close = false;
    bool keep_alive = false;
  };

  static constexpr std::string_view version_ = "HTTP/1.";

  const char* take_usual_lines(const char* at, const char* end) noexcept;
  const char* take_line(const char* at, const char* end) noexcept;
  const char* take_body(const char* at, const char* end) noexcept;
  const char* malformed(const char* at) noexcept;
  void keep(const char* begin, const char* end) noexcept;
  bool account(std::size_t bytes) noexcept;

  void on_line(std::string_view line, bool cut) noexcept;
  bool on_status_line(std::string_view line) noexcept;
  bool on_field_line(std::string_view line, bool cut) noexcept;
  bool on_field(std::string_view name, std::string_view value, bool cut) noexcept;
  bool on_content_length(std::string_view value) noexcept;
  bool on_transfer_encoding(std::string_view value) noexcept;
  void on_connection(std::string_view value) noexcept;
  bool on_chunk_size(std::string_view line) noexcept;
  bool on_head() noexcept;

  Phase phase_ = Phase::status_line;
  bool to_head_ = false;
  bool untouched_ = true;
  bool after_cr_ = false;  // the last byte taken was the CR of a line end
  std::uint8_t interims_ = 0;
  std::uint8_t empty_lines_ = 0;
  Message message_;
  std::uint64_t left_ = 0;        // of the body, or of the chunk
  std::uint32_t head_bytes_ = 0;  // taken so far
  std::uint32_t line_bytes_ = 0;  // of a line that began in an earlier piece
  std::array<char, line_bytes_max> line_;
};

}  // namespace loadcore::http
