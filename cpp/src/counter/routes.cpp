#include "counter/routes.hpp"

#include <array>
#include <charconv>
#include <cstddef>

namespace loadcore::counter {
namespace {

constexpr std::string_view prefix = "/v1/";
constexpr std::string_view suffix = "/likes";

constexpr std::array<bool, 256> user_bytes = [] {
  std::array<bool, 256> table{};
  constexpr std::string_view all =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-";
  for (const char byte : all) table[static_cast<unsigned char>(byte)] = true;
  return table;
}();

bool is_user_byte(char byte) noexcept { return user_bytes[static_cast<unsigned char>(byte)]; }

int hex_digit(char byte) noexcept {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  return -1;
}

using UserBuffer = std::array<char, user_bytes_max>;

/// The user id of a path segment, percent-decoded once (RFC 3986 section 2.1), empty where it is
/// none. `buffer` holds what had to be decoded.
std::string_view user_of(std::string_view segment, UserBuffer& buffer) noexcept {
  std::size_t plain = 0;
  while (plain < segment.size() && is_user_byte(segment[plain])) ++plain;
  if (plain == segment.size()) return plain <= user_bytes_max ? segment : std::string_view();
  std::size_t size = 0;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    char byte = segment[i];
    if (byte == '%') {
      if (i + 2 >= segment.size()) return {};
      const int high = hex_digit(segment[i + 1]);
      const int low = hex_digit(segment[i + 2]);
      if (high < 0 || low < 0) return {};
      byte = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (!is_user_byte(byte) || size == buffer.size()) return {};
    buffer[size++] = byte;
  }
  return {buffer.data(), size};
}

void bump(std::atomic<std::uint64_t>& count) noexcept {
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void answer_total(std::string_view user, std::int64_t total, http::Exchange& exchange) {
  constexpr std::string_view before_user = R"({"userId": ")";
  constexpr std::string_view before_total = R"(", "likes": )";
  constexpr std::size_t digits_max = 20;
  // The characters of a user id need no escape in JSON.
  char body[before_user.size() + user_bytes_max + before_total.size() + digits_max + 1];
  std::size_t size = before_user.copy(body, before_user.size());
  size += user.copy(body + size, user.size());
  size += before_total.copy(body + size, before_total.size());
  size = static_cast<std::size_t>(std::to_chars(body + size, body + size + digits_max, total).ptr -
                                  body);
  body[size++] = '}';
  exchange.answer({.body = {body, size}});
}

}  // namespace

void Routes::handle(const http::Request& request, http::Exchange& exchange) {
  const std::string_view path = request.path;
  if (path.size() >= prefix.size() + suffix.size() && path.starts_with(prefix) &&
      path.ends_with(suffix)) {
    const std::string_view segment =
        path.substr(prefix.size(), path.size() - prefix.size() - suffix.size());
    if (segment.find('/') == std::string_view::npos) {
      likes(request, segment, exchange);
      return;
    }
  }
  if (path == "/v1/healthcheck") {
    bump(counts_.healthcheck);
    fixed(request, 200, R"({"healthy": true})", exchange);
  } else if (path == "/v1/readiness") {
    bump(counts_.readiness);
    if (thread_.draining()) {
      fixed(request, 503, R"({"ready": false, "error": "draining"})", exchange);
    } else {
      fixed(request, 200, R"({"ready": true})", exchange);
    }
  } else {
    bump(counts_.other);
    if (path == "*") {
      exchange.answer({.status = 204, .fields = "Allow: GET, HEAD, OPTIONS, POST\r\n"});
    } else {
      exchange.answer({.status = 404, .body = R"({"error": "there is nothing at this path"})"});
    }
  }
}

void Routes::likes(const http::Request& request, std::string_view segment,
                   http::Exchange& exchange) {
  constexpr std::string_view allow = "Allow: GET, HEAD, OPTIONS, POST\r\n";
  const bool is_post = request.method == "POST";
  if (!is_post && request.method != "GET" && request.method != "HEAD") {
    bump(counts_.other);
    if (request.method == "OPTIONS") {
      exchange.answer({.status = 204, .fields = allow});
    } else {
      exchange.answer({.status = 405,
                       .body = R"({"error": "likes take GET, HEAD, OPTIONS and POST"})",
                       .fields = allow});
    }
    return;
  }
  bump(is_post ? counts_.post_likes : counts_.get_likes);
  UserBuffer buffer;
  const std::string_view user = user_of(segment, buffer);
  if (user.empty()) {
    exchange.answer(
        {.status = 400,
         .body = R"({"error": "userId is not 1 to 128 characters of A-Z a-z 0-9 . _ ~ -"})"});
  } else if (is_post) {
    add_like(user, exchange);
  } else {
    answer_total(user, store_.get(user), exchange);
  }
}

void Routes::add_like(std::string_view user, http::Exchange& exchange) {
  Addition addition{.user = user};
  store_.add({&addition, 1});
  switch (addition.outcome) {
    case Outcome::counted:
    case Outcome::replayed:
      answer_total(user, addition.total, exchange);
      break;
    case Outcome::key_conflict:
      exchange.answer({.status = 422,
                       .body = R"({"error": "this Idempotency-Key was used for another user"})"});
      break;
    case Outcome::unavailable:
      exchange.answer({.status = 503,
                       .body = R"({"error": "the like could not be kept"})",
                       .fields = "Retry-After: 1\r\n"});
      break;
    case Outcome::full:
      exchange.answer({.status = 503,
                       .body = R"({"error": "no room for another user"})",
                       .fields = "Retry-After: 60\r\n"});
      break;
    case Outcome::overflow:
      exchange.answer(
          {.status = 409, .body = R"({"error": "this user has as many likes as can be counted"})"});
      break;
  }
}

void Routes::fixed(const http::Request& request, int status, std::string_view body,
                   http::Exchange& exchange) {
  constexpr std::string_view allow = "Allow: GET, HEAD, OPTIONS\r\n";
  if (request.method == "GET" || request.method == "HEAD") {
    exchange.answer(
        {.status = status, .body = body, .fields = status == 503 ? "Retry-After: 1\r\n" : ""});
  } else if (request.method == "OPTIONS") {
    exchange.answer({.status = 204, .fields = allow});
  } else {
    exchange.answer({.status = 405,
                     .body = R"({"error": "this takes GET, HEAD and OPTIONS"})",
                     .fields = allow});
  }
}

}  // namespace loadcore::counter
