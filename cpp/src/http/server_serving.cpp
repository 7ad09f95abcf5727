// From bytes to answers: the part of a server thread that every request passes.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "http/server_worker.hpp"
#include "loadcore/base/assert.hpp"

namespace loadcore::http {
namespace {

/// A client that sends without end gets this many reads before others have their turn.
constexpr int reads_at_once = 16;
/// Answers to pipelined requests are sent when they come to this.
constexpr std::size_t output_bytes_at_once = 64 * 1024;
constexpr std::size_t spare_buffers_max = 64;
/// A buffer for unsent bytes that is kept for the next time.
constexpr std::size_t unsent_bytes_kept = 4096;

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
      refuse(connection, {503, "too many large requests at once"});
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
  exchange_.begin(slot);
  try {
    handler_->handle(request, exchange_);
  } catch (...) {
    connection.keep_alive = false;
    connection.closing = true;
    if (connection.deferred) {
      connection.deferred = false;
      ++connection.turn;
      compose(connection, {.status = 500, .body = R"({"error": "internal error"})"});
    } else if (!exchange_.done()) {
      exchange_.answer({.status = 500, .body = R"({"error": "internal error"})"});
    }
  }
  exchange_.end();
  LOADCORE_ASSERT(exchange_.done());
}

void ServerWorker::CurrentExchange::answer(const Answer& answer) {
  LOADCORE_ASSERT(!done_);
  done_ = true;
  worker_.compose(worker_.connections_[slot_], answer);
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
  compose(connection, answer);
  if (flush(ticket.slot, mark)) resume_later(ticket.slot);
  return true;
}

void ServerWorker::compose(ServerConnection& connection, const Answer& answer) {
  LOADCORE_ASSERT(answer.status >= 200 && answer.status < 600);
  const bool keep = connection.keep_alive && !draining_;
  if (!keep) connection.closing = true;
  output_.append(answer, connection.to_head,
                 !keep ? Persistence::say_close
                       : (connection.is_http_1_0 ? Persistence::say_keep : Persistence::keep));
  bump(counts_.answers[static_cast<std::size_t>(answer.status)]);
}

/// Answers in the handler's place and closes: what follows on the connection cannot be trusted.
void ServerWorker::refuse(ServerConnection& connection, const Refusal& refusal) {
  connection.to_head = false;
  connection.keep_alive = false;
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

// --- sending

/// Sends the output from `mark` on, which is this connection's, and keeps what the kernel does not
/// take. False if the connection was closed.
bool ServerWorker::flush(Slot slot, std::size_t mark) {
  ServerConnection& connection = connections_[slot];
  std::string_view bytes = output_.from(mark);
  bool broken = false;
  while (!bytes.empty() && connection.unsent.empty() && !broken) {
    const ssize_t sent =
        ::send(connection.socket.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      break;
    } else {
      broken = errno != EINTR;
    }
  }
  if (!bytes.empty() && !broken) connection.unsent.append(bytes);
  output_.truncate(mark);
  if (broken) close(slot);
  return !broken;
}

/// False if the connection was closed or still waits for its client.
bool ServerWorker::send_unsent(Slot slot) {
  ServerConnection& connection = connections_[slot];
  std::size_t sent_in_all = 0;
  while (sent_in_all < connection.unsent.size()) {
    const ssize_t sent = ::send(connection.socket.number(), connection.unsent.data() + sent_in_all,
                                connection.unsent.size() - sent_in_all, MSG_NOSIGNAL);
    if (sent >= 0) {
      sent_in_all += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN) {
      connection.unsent.erase(0, sent_in_all);
      return false;
    } else if (errno != EINTR) {
      close(slot);
      return false;
    }
  }
  if (connection.unsent.capacity() > unsent_bytes_kept) connection.unsent = std::string();
  connection.unsent.clear();
  enter(slot, Phase::none);
  return true;
}

/// What a connection waits for next, after everything that could be done has been done.
void ServerWorker::settle(Slot slot) {
  ServerConnection& connection = connections_[slot];
  if (!connection.unsent.empty()) {
    enter(slot, Phase::sending);
  } else if (connection.closing && !connection.deferred) {
    close_gently(slot);
  } else if (connection.begin == connection.end) {
    connection.begin = connection.end = 0;
    release_buffer(connection);
    enter(slot, connection.deferred ? Phase::none : Phase::idle);
  } else {
    if (connection.begin > 0) {
      std::memmove(connection.buffer, connection.buffer + connection.begin,
                   connection.end - connection.begin);
      connection.end -= connection.begin;
      connection.begin = 0;
    }
    if (connection.deferred) {
      enter(slot, Phase::none);
    } else {
      enter(slot, connection.reader.in_body() ? Phase::body : Phase::head);
    }
  }
}

void ServerWorker::close_gently(Slot slot) {
  ServerConnection& connection = connections_[slot];
  if (connection.begin == connection.end && !connection.readable) {
    close(slot);
    return;
  }
  ::shutdown(connection.socket.number(), SHUT_WR);
  connection.begin = connection.end = 0;
  release_buffer(connection);
  enter(slot, Phase::lingering);
  resume_later(slot);
}

}  // namespace loadcore::http
