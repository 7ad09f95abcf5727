// From answers to the kernel, and what a connection waits for then.
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "http/server_worker.hpp"

namespace loadcore::http {
namespace {

/// A buffer for unsent bytes that is kept for the next time.
constexpr std::size_t unsent_bytes_kept = 4096;

}  // namespace

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
  time_handled(slot);
  if (broken) close(slot);
  return !broken;
}

void ServerWorker::time_handled(Slot slot) noexcept {
  if (handled_.empty()) return;
  const base::TimePoint end = base::now();
  while (!handled_.empty() && handled_.back().slot == slot) {
    counts_.handling[handled_.back().route].record(end - handled_.back().begin);
    handled_.pop_back();
  }
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
