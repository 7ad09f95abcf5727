// From bytes to answers: what every request passes before server_sending.cpp.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>

#include "http/server_worker.hpp"
#include "loadcore/base/assert.hpp"

namespace loadcore::http {
namespace {

/// A client that sends without end gets this many reads before others have their turn.
constexpr int reads_at_once = 16;
/// Answers to pipelined requests are sent when they come to this: about what a client that does not
/// read can make a connection hold.
constexpr std::size_t output_bytes_at_once = 16 * 1024;
constexpr std::size_t spare_buffers_max = 64;

}  // namespace

// --- reading

void ServerWorker::read(Slot slot) {
  ServerConnection& connection = connections_[slot];
  for (int i = 0; connection.may_read(); ++i) {
    if (i == reads_at_once) {
      resume_later(slot);
      return;
    }
    if (connection.end == connection.capacity && !make_room(connection)) {
      const std::size_t mark = output_.size();
      const Refusal refusal{503, "too many large requests at once"};
      tell_of(connection, refusal);
      refuse(connection, refusal);
      if (flush(slot, mark)) settle(slot);
      return;
    }
    const std::size_t room = connection.capacity - connection.end;
    const ssize_t received =
        ::recv(connection.socket.number(), connection.buffer + connection.end, room, 0);
    if (received > 0) {
      connection.end += static_cast<std::size_t>(received);
      // Fewer bytes than asked for: that was all, and more will be another event. Not so once the
      // client has hung up, which was an event already.
      if (static_cast<std::size_t>(received) < room && !connection.hung_up) {
        connection.readable = false;
      }
      serve_buffered(slot, output_.size());
    } else if (received < 0 && errno == EAGAIN) {
      connection.readable = false;
    } else if (received == 0 || errno != EINTR) {
      close(slot);
    }
  }
}

/// Throws away what a client still sends after an answer that closes, until it closes too. Closing
/// with bytes unread would reset the connection, and the answer could be lost (RFC 9112
/// section 9.6).
void ServerWorker::discard(Slot slot) {
  constexpr std::size_t bytes_at_once = 1 << 20;
  const ssize_t received =
      ::recv(connections_[slot].socket.number(), nullptr, bytes_at_once, MSG_TRUNC);
  if (received > 0) {
    resume_later(slot);
  } else if (received == 0 || (errno != EAGAIN && errno != EINTR)) {
    close(slot);
  }
}

/// Moves a request that has outgrown the connection's own buffer to a large one.
bool ServerWorker::make_room(ServerConnection& connection) {
  LOADCORE_ASSERT(!connection.large);  // it holds every request within the limits
  if (leased_buffers_ >= options_.large_requests_per_thread_max) return false;
  const std::size_t bytes = std::max(options_.limits.buffer_bytes(), 2 * connection.small.size());
  if (spare_buffers_.empty()) {
    connection.large = std::make_unique_for_overwrite<char[]>(bytes);
  } else {
    connection.large = std::move(spare_buffers_.back());
    spare_buffers_.pop_back();
  }
  ++leased_buffers_;
  std::memcpy(connection.large.get(), connection.buffer, connection.end);
  connection.buffer = connection.large.get();
  connection.capacity = bytes;
  return true;
}

void ServerWorker::release_buffer(ServerConnection& connection) noexcept {
  if (!connection.large) return;
  if (spare_buffers_.size() < spare_buffers_max) {
    spare_buffers_.push_back(std::move(connection.large));
  }
  connection.large.reset();
  --leased_buffers_;
  connection.buffer = connection.small.data();
  connection.capacity = connection.small.size();
}

// --- serving

/// Goes on with a connection that had to wait: for its answer, its client or its turn.
void ServerWorker::serve(Slot slot) {
  ServerConnection& connection = connections_[slot];
  if (connection.phase == Phase::lingering) {
    discard(slot);
  } else {
    serve_buffered(slot, output_.size());
    if (connection.may_read()) read(slot);
  }
}

void ServerWorker::serve_buffered(Slot slot, std::size_t mark) {
  ServerConnection& connection = connections_[slot];
  while (connection.begin < connection.end && !connection.deferred && !connection.closing &&
         connection.unsent.empty()) {
    std::size_t size = connection.end - connection.begin;
    const auto state = connection.reader.read(connection.buffer + connection.begin, size);
    connection.end = connection.begin + size;
    if (state == RequestReader::State::more) {
      if (connection.reader.expects_continue()) say_continue(connection);
      break;
    }
    if (state == RequestReader::State::refused) {
      tell_of(connection, connection.reader.refusal());
      refuse(connection, connection.reader.refusal());
      break;
    }
    if (connection.phase != Phase::idle) enter(slot, Phase::none);
    handle(slot);
    connection.begin += connection.reader.consumed();
    connection.continued = false;
    connection.reader.start();
    if (output_.size() - mark > output_bytes_at_once && !flush(slot, mark)) return;
  }
  if (flush(slot, mark)) settle(slot);
}

void ServerWorker::handle(Slot slot) {
  ServerConnection& connection = connections_[slot];
  const Request request = connection.reader.request(connection.buffer + connection.begin);
  connection.to_head = request.method == "HEAD";
  connection.keep_alive = request.keep_alive;
  connection.is_http_1_0 = connection.reader.is_http_1_0();
  connection.route = 0;
  connection.handling = base::now();
  exchange_.begin(slot);
  try {
    handler_->handle(request, exchange_);
  } catch (const std::exception& error) {
    fail(slot, error.what());
  } catch (...) {
    fail(slot, "something that is no std::exception");
  }
  exchange_.end();
  LOADCORE_ASSERT(exchange_.done());
}

/// The handler threw.
void ServerWorker::fail(Slot slot, std::string_view what) {
  ServerConnection& connection = connections_[slot];
  connection.keep_alive = false;
  connection.closing = true;
  if (connection.deferred) {
    connection.deferred = false;
    ++connection.turn;
  } else if (exchange_.done()) {
    return;
  }
  exchange_.give_up();
  answer_handled(slot, {.status = 500, .body = R"({"error": "internal error"})"}, what);
}

void ServerWorker::CurrentExchange::count_as(std::uint8_t route) noexcept {
  LOADCORE_ASSERT(route < routes_max);
  worker_.connections_[slot_].route = route;
}

void ServerWorker::CurrentExchange::answer(const Answer& answer) {
  LOADCORE_ASSERT(!done_);
  done_ = true;
  worker_.answer_handled(slot_, answer, answer.body);
}

Ticket ServerWorker::CurrentExchange::defer() {
  LOADCORE_ASSERT(!done_);
  done_ = true;
  ServerConnection& connection = worker_.connections_[slot_];
  connection.deferred = true;
  return {slot_, connection.turn};
}

bool ServerWorker::answer(Ticket ticket, const Answer& answer) {
  ServerConnection& connection = connections_[ticket.slot];
  if (!connection.deferred || connection.turn != ticket.turn) return false;
  LOADCORE_ASSERT(exchange_.slot() != ticket.slot);  // earlier answers are not sent yet
  connection.deferred = false;
  ++connection.turn;
  // The output may hold the beginnings of another connection's answers.
  const std::size_t mark = output_.size();
  answer_handled(ticket.slot, answer, answer.body);
  if (flush(ticket.slot, mark)) resume_later(ticket.slot);
  return true;
}

/// Answers a request that has reached the handler; `text` is for who hears of answers from 500 on.
void ServerWorker::answer_handled(Slot slot, const Answer& answer, std::string_view text) {
  ServerConnection& connection = connections_[slot];
  compose(connection, answer);
  handled_.push_back({slot, connection.route, connection.handling});
  if (answer.status >= 500) {
    handler_->notice({.kind = Notice::Kind::server_error,
                      .status = answer.status,
                      .text = text,
                      .socket = connection.socket.number()});
  }
}

void ServerWorker::compose(ServerConnection& connection, const Answer& answer) {
  LOADCORE_ASSERT(answer.status >= status_min &&
                  answer.status < status_min + static_cast<int>(statuses));
  const bool keep = connection.keep_alive && !draining_;
  if (!keep) connection.closing = true;
  output_.append(answer, connection.to_head,
                 !keep ? Persistence::say_close
                       : (connection.is_http_1_0 ? Persistence::say_keep : Persistence::keep));
  bump(counts_.answers[connection.route][static_cast<std::size_t>(answer.status - status_min)]);
}

void ServerWorker::tell_of(const ServerConnection& connection, const Refusal& refusal) {
  handler_->notice({.kind = Notice::Kind::refused,
                    .status = refusal.status,
                    .text = refusal.reason,
                    .socket = connection.socket.number()});
}

/// Answers in the handler's place and closes: what follows on the connection cannot be trusted.
void ServerWorker::refuse(ServerConnection& connection, const Refusal& refusal) {
  connection.to_head = connection.reader.is_head(connection.buffer + connection.begin);
  connection.keep_alive = false;
  connection.readable = true;  // the client may be in the midst of sending: close_gently() waits
  connection.route = 0;
  char body[160];
  const auto end = [&body](std::string_view text, std::size_t at) {
    return at + text.copy(body + at, sizeof body - at);
  };
  std::size_t size = end(R"({"error": ")", 0);
  size = end(refusal.reason, size);
  size = end(R"("})", size);
  compose(connection, {.status = refusal.status,
                       .body = {body, size},
                       .fields = refusal.status == 503 ? "Retry-After: 1\r\n" : ""});
}

/// Once a request, and only as long as the client has sent nothing of the body.
void ServerWorker::say_continue(ServerConnection& connection) {
  if (connection.continued || !connection.reader.in_body()) return;
  connection.continued = true;
  if (connection.begin + connection.reader.consumed() == connection.end) {
    output_.append("HTTP/1.1 100 Continue\r\n\r\n");
  }
}

}  // namespace loadcore::http
