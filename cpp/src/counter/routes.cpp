#include "counter/routes.hpp"

#include <array>
#include <charconv>
#include <cstddef>

#include "counter/health.hpp"
#include "counter/idempotency_key.hpp"
#include "counter/openapi.hpp"
#include "counter/user_id.hpp"

namespace loadcore::counter {
namespace {

constexpr std::string_view prefix = "/v1/";
constexpr std::string_view suffix = "/likes";

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

void count_as(Route route, http::Exchange& exchange) noexcept {
  exchange.count_as(static_cast<std::uint8_t>(route));
}

/// Room for the body with a user's total.
struct TotalBody {
  static constexpr std::string_view before_user = R"({"userId": ")";
  static constexpr std::string_view before_total = R"(", "likes": )";
  static constexpr std::size_t digits_max = 20;
  std::array<char, before_user.size() + user_bytes_max + before_total.size() + digits_max + 1>
      bytes;

  http::Answer answer(std::string_view user, std::int64_t total) noexcept {
    // The characters of a user id need no escape in JSON.
    char* at = bytes.data();
    at += before_user.copy(at, before_user.size());
    at += user.copy(at, user.size());
    at += before_total.copy(at, before_total.size());
    at = std::to_chars(at, at + digits_max, total).ptr;
    *at++ = '}';
    return {.body = {bytes.data(), static_cast<std::size_t>(at - bytes.data())}};
  }
};

/// What is said of one addition.
http::Answer answer_of(std::string_view user, Outcome outcome, std::int64_t total,
                       TotalBody& body) {
  switch (outcome) {
    case Outcome::counted:
    case Outcome::replayed:
      return body.answer(user, total);
    case Outcome::key_conflict:
      return {.status = 422,
              .body = R"({"error": "this Idempotency-Key was used for another user"})"};
    case Outcome::full:
      return {.status = 503,
              .body = R"({"error": "no room for another user"})",
              .fields = "Retry-After: 60\r\n"};
    case Outcome::overflow:
      return {.status = 409,
              .body = R"({"error": "this user has as many likes as can be counted"})"};
    case Outcome::unavailable:
      break;
  }
  return {.status = 503,
          .body = R"({"error": "the like could not be kept"})",
          .fields = "Retry-After: 1\r\n"};
}

}  // namespace

Routes::Routes(Store& store, Batcher* batcher, OutcomeCounts& counts, http::ServerThread& thread)
    : store_(store), batcher_(batcher), counts_(counts), thread_(thread) {
  if (batcher_ != nullptr) lane_ = &batcher_->open_lane([this] { thread_.wake(); });
}

Routes::~Routes() {
  if (batcher_ != nullptr) batcher_->close_lane(*lane_);
}

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
    count_as(Route::healthcheck, exchange);
    healthcheck(request, exchange);
  } else if (path == "/v1/readiness") {
    count_as(Route::readiness, exchange);
    if (thread_.draining()) {
      fixed(request, 503, R"({"ready": false, "error": "draining"})", exchange);
    } else {
      fixed(request, 200, R"({"ready": true})", exchange);
    }
  } else if (path == "/v1/openapi.json") {
    count_as(Route::openapi, exchange);
    fixed(request, 200, openapi_document, exchange);
  } else {
    count_as(Route::other, exchange);
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
  const bool is_options = request.method == "OPTIONS";
  if (!is_post && !is_options && request.method != "GET" && request.method != "HEAD") {
    count_as(Route::other, exchange);
    exchange.answer({.status = 405,
                     .body = R"({"error": "likes take GET, HEAD, OPTIONS and POST"})",
                     .fields = allow});
    return;
  }
  count_as(is_post ? Route::post_likes : (is_options ? Route::other : Route::get_likes), exchange);
  UserBuffer buffer;
  const std::string_view user = user_of(segment, buffer);
  if (user.empty()) {
    exchange.answer(
        {.status = 400,
         .body = R"({"error": "userId is not 1 to 128 characters of A-Z a-z 0-9 . _ ~ -"})"});
  } else if (is_options) {
    exchange.answer({.status = 204, .fields = allow});
  } else if (is_post) {
    add_like(request, user, exchange);
  } else {
    TotalBody body;
    exchange.answer(body.answer(user, store_.get(user)));
  }
}

void Routes::add_like(const http::Request& request, std::string_view user,
                      http::Exchange& exchange) {
  KeyBuffer buffer;
  const auto key = idempotency_key(request, buffer);
  if (!key) {
    exchange.answer({.status = 400,
                     .body = R"({"error": "Idempotency-Key is not one string of 1 to 128 )"
                             R"(printable ASCII characters"})"});
  } else if (lane_ == nullptr) {
    Addition addition{.user = user, .key = *key};
    store_.add({&addition, 1});
    counts_.add(addition.outcome);
    TotalBody body;
    exchange.answer(answer_of(user, addition.outcome, addition.total, body));
  } else if (lane_->full()) {
    exchange.answer({.status = 503,
                     .body = R"({"error": "too many likes wait to be kept"})",
                     .fields = "Retry-After: 1\r\n"});
  } else if (lane_->push(exchange.defer(), user, *key)) {
    // Submitted once everything that has arrived by now has been looked at.
    thread_.wake();
  }
}

void Routes::woken() {
  if (lane_ == nullptr) return;
  if (!lane_->submit()) thread_.wake();  // and comes back here once it has looked for more
  const Batcher::Batch& done = lane_->take_done();
  TotalBody body;
  for (const Batcher::Item& item : done.items) {
    counts_.add(item.outcome);
    thread_.answer(item.ticket, answer_of(done.user(item), item.outcome, item.total, body));
  }
}

void Routes::healthcheck(const http::Request& request, http::Exchange& exchange) {
  const Health health = health_of(store_);
  fixed(request, health.status, health.body, exchange);
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
