#include "counter/logged_handler.hpp"

#include <algorithm>
#include <span>

#include "loadcore/base/random.hpp"

namespace loadcore::counter {
namespace {

LogEvent event_of(http::Notice::Kind kind) noexcept {
  switch (kind) {
    case http::Notice::Kind::turned_away:
      return LogEvent::connection_turned_away;
    case http::Notice::Kind::accept_failed:
      return LogEvent::accept_failed;
    case http::Notice::Kind::refused:
      return LogEvent::request_refused;
    case http::Notice::Kind::timed_out:
      return LogEvent::client_timed_out;
    case http::Notice::Kind::server_error:
      break;
  }
  return LogEvent::error_answered;
}

bool is_id(std::string_view text) noexcept {
  return !text.empty() && text.size() <= LoggedRequests::id_bytes_max &&
         std::all_of(text.begin(), text.end(), [](char byte) {
           return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                  (byte >= 'a' && byte <= 'z') ||
                  std::string_view(".:_~-").find(byte) != std::string_view::npos;
         });
}

/// 16 hexadecimal digits. Different for each `number`, and in no order: an id is not to tell how
/// many requests there were. (The finalizer of SplitMix64, which is a permutation.)
std::size_t write_id(std::uint64_t number, std::span<char> into) noexcept {
  constexpr std::string_view hex = "0123456789abcdef";
  number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9U;
  number = (number ^ number >> 27) * 0x94D049BB133111EBU;
  number ^= number >> 31;
  constexpr std::size_t digits = 16;
  for (std::size_t i = 0; i < digits; ++i) into[i] = hex[number >> (60 - 4 * i) & 15];
  return digits;
}

std::uint8_t keep(std::string_view text, std::span<char> into) noexcept {
  return static_cast<std::uint8_t>(text.copy(into.data(), into.size()));
}

template <std::size_t size>
std::string_view view(const std::array<char, size>& text, std::uint8_t bytes) noexcept {
  return {text.data(), bytes};
}

}  // namespace

void LoggedHandler::notice(const http::Notice& notice) {
  source_.write(event_of(notice.kind), [&notice](LogFields& fields) {
    if (notice.status != 0) fields.number("status", static_cast<std::uint64_t>(notice.status));
    if (!notice.text.empty()) fields.text("reason", notice.text);
    if (notice.socket >= 0) fields.text("peer", http::peer_of(notice.socket));
  });
}

http::Ticket LoggedRequests::LoggedExchange::defer() {
  const http::Ticket ticket = outer_.defer();
  if (log_.deferred_.size() <= ticket.slot) log_.deferred_.resize(ticket.slot + 1);
  log_.deferred_[ticket.slot] = log_.now_;
  return ticket;
}

void LoggedRequests::LoggedExchange::answer(const http::Answer& answer) {
  outer_.answer(log_.with_id(answer, log_.now_));
  log_.log(log_.now_, answer.status);
}

LoggedRequests::LoggedRequests(Log::Source& source, http::ServerThread& thread)
    : LoggedHandler(source), outer_(thread), next_id_(base::random_number()) {}

LoggedRequests::~LoggedRequests() { set_inner(nullptr); }  // it may use thread() to its end

void LoggedRequests::handle(const http::Request& request, http::Exchange& exchange) {
  begin(request, now_);
  LoggedExchange logged(*this, exchange);
  LoggedHandler::handle(request, logged);
}

bool LoggedRequests::answer(http::Ticket ticket, const http::Answer& answer) {
  const Waiting& waiting = deferred_[ticket.slot];
  const bool answered = outer_.answer(ticket, with_id(answer, waiting));
  if (answered) log(waiting, answer.status);
  return answered;
}

void LoggedRequests::begin(const http::Request& request, Waiting& waiting) {
  waiting.begin = base::now();
  waiting.method_bytes = keep(request.method, waiting.method);
  waiting.path_bytes = keep(request.path, waiting.path);
  const auto id = request.find("X-Request-Id");
  waiting.id_bytes = id && is_id(*id) ? keep(*id, waiting.id)
                                      : static_cast<std::uint8_t>(write_id(next_id_++, waiting.id));
}

/// Valid until the next call.
http::Answer LoggedRequests::with_id(const http::Answer& answer, const Waiting& waiting) {
  fields_.assign(answer.fields).append("X-Request-Id: ");
  fields_.append(view(waiting.id, waiting.id_bytes)).append("\r\n");
  http::Answer with_id = answer;
  with_id.fields = fields_;
  return with_id;
}

void LoggedRequests::log(const Waiting& waiting, int status) {
  source_.write(LogEvent::request, [&waiting, status](LogFields& fields) {
    fields.text("request_id", view(waiting.id, waiting.id_bytes));
    fields.text("method", view(waiting.method, waiting.method_bytes));
    fields.text("path", view(waiting.path, waiting.path_bytes));
    fields.number("status", static_cast<std::uint64_t>(status));
    fields.number("duration_s", static_cast<double>((base::now() - waiting.begin).count()) / 1e9);
  });
}

}  // namespace loadcore::counter
