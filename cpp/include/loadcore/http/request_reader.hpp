#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace loadcore::http {

/// How much of a request is taken, in bytes. Beyond it: 414 for the target, 431 for the head and
/// for trailer fields, 413 for the body.
struct RequestLimits {
  std::size_t head_bytes = 16 * 1024;   ///< request line and fields, with their line ends
  std::size_t target_bytes = 8 * 1024;  ///< at most head_bytes
  std::size_t body_bytes = 64 * 1024;   ///< after chunks are put together

  /// A buffer this long holds every request within the limits while it is being read.
  constexpr std::size_t buffer_bytes() const noexcept { return 2 * head_bytes + body_bytes + 512; }
};

/// One request, as views into the buffer that it was read from.
struct Request {
  std::string_view method;
  std::string_view target;  ///< as sent
  std::string_view path;    ///< of the target, not decoded: begins with a slash, or is "*"
  std::string_view query;   ///< what follows the question mark, not decoded
  std::string_view fields;  ///< the field lines, each with its CRLF
  std::string_view body;
  bool keep_alive = false;  ///< whether the client means to send another one

  /// The value of the first field of that name (in any case), without surrounding blanks.
  std::optional<std::string_view> find(std::string_view name) const noexcept;
};

/// Why a request is not served: the answer's status, and a text without quotes or backslashes.
struct Refusal {
  int status;
  std::string_view reason;
};

/// Reads one request after another from a buffer that fills piece by piece, however it is cut.
/// Strict where leniency would let two readers of the same bytes disagree on where a request ends
/// (RFC 9112 sections 6 and 11.2): what is not certain is refused, and the connection is then of no
/// use. Never allocates; every byte of a head is looked at once.
class RequestReader {
 public:
  enum class State : std::uint8_t {
    more,      ///< the request goes on
    complete,  ///< request() and consumed() are valid
    refused,   ///< refusal() is valid
  };

  /// `limits` must outlive the reader.
  explicit RequestReader(const RequestLimits& limits) noexcept : limits_(&limits) {}

  /// Expects a new request.
  void start() noexcept;

  /// Looks at the bytes received so far, `data[0]` being the request's first; after `more`, call
  /// again with the same bytes and those that followed. Puts a chunked body together in place,
  /// which takes bytes out: `size` is then made smaller.
  State read(char* data, std::size_t& size) noexcept;

  /// How many bytes were the request's; what follows belongs to the next one.
  std::size_t consumed() const noexcept { return parsed_; }
  Request request(const char* data) const noexcept;
  Refusal refusal() const noexcept { return refusal_; }

  /// Whether the head has been read; true as long as the body goes on.
  bool in_body() const noexcept { return phase_ > Phase::fields; }
  /// The client waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
  bool expects_continue() const noexcept { return expects_continue_; }
  bool is_http_1_0() const noexcept { return minor_version_ == 0; }
  /// Whether the method is HEAD, as far as it has been read; of a refused request too.
  bool is_head(const char* data) const noexcept;

 private:
  enum class Phase : std::uint8_t {
    request_line,
    fields,
    body,
    chunk_size,
    chunk_data,
    chunk_end,
    trailers,
    done,
  };
  enum class Line : std::uint8_t { more, complete, refused };

  State step(char* data, std::size_t size) noexcept;
  State refuse(int status, std::string_view reason) noexcept;
  Line next_line(const char* data, std::size_t size, std::string_view& line) noexcept;
  bool is_within_limits(std::size_t seen) noexcept;

  bool take_request_line(std::string_view line, const char* data) noexcept;
  bool take_target(std::string_view method, std::string_view target, const char* data) noexcept;
  bool take_version(std::string_view version) noexcept;
  bool take_field(std::string_view line) noexcept;
  bool take_known_field(std::string_view name, std::string_view value) noexcept;
  bool take_content_length(std::string_view value) noexcept;
  void take_connection(std::string_view value) noexcept;
  bool end_head() noexcept;
  bool take_chunk_size(std::string_view line) noexcept;
  void take_chunk_data(char* data, std::size_t size) noexcept;
  void close_gap(char* data, std::size_t& size) noexcept;

  struct Piece {
    std::uint32_t begin;
    std::uint32_t size;
  };

  const RequestLimits* limits_;
  std::size_t parsed_ = 0;   // what has been dealt with, in whole lines
  std::size_t scanned_ = 0;  // no line end before this
  Piece method_{};
  Piece target_{};
  Piece path_{};
  std::uint32_t query_begin_ = 0;  // 0: none
  std::uint32_t fields_begin_ = 0;
  std::uint32_t fields_end_ = 0;
  std::size_t body_begin_ = 0;
  std::size_t body_size_ = 0;  // of a chunked body: so far
  std::size_t left_ = 0;       // of a body with a length, or of a chunk: still to come
  std::size_t trailer_bytes_ = 0;
  Refusal refusal_{};
  Phase phase_ = Phase::request_line;
  std::uint8_t minor_version_ = 1;
  std::uint8_t hosts_ = 0;
  bool blank_line_skipped_ = false;
  bool has_length_ = false;
  bool has_coding_ = false;
  bool says_close_ = false;
  bool says_keep_alive_ = false;
  bool expects_continue_ = false;
};

}  // namespace loadcore::http
