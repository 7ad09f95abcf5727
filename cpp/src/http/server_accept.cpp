// How connections come to a server thread and leave it.
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "http/server_worker.hpp"

namespace loadcore::http {
namespace {

/// So that a flood of connections does not starve those that are open.
constexpr int accepts_at_once = 64;
constexpr auto accept_pause = std::chrono::milliseconds(100);
/// What a client beyond a cap may have sent by the time it is turned away.
constexpr std::size_t turned_away_bytes = 1 << 20;

}  // namespace

void ServerWorker::accept_some() {
  for (int i = 0; draining_ || i < accepts_at_once; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    net::Descriptor socket(::accept4(listener_.number(), reinterpret_cast<sockaddr*>(&address),
                                     &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket) {
      const auto client = AddressCounts::client_of(address);
      if (admit(client)) {
        open(std::move(socket), client);
      } else {
        turn_away(std::move(socket));
      }
      continue;
    }
    switch (errno) {
      case EAGAIN:
        return;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM: {
        const std::string reason = std::generic_category().message(errno);
        bump(counts_.accept_errors);
        handler_->notice({.kind = Notice::Kind::accept_failed, .text = reason});
        pause_accepting();
        return;
      }
      default:
        break;  // that connection was gone before it was accepted
    }
  }
}

/// The connection that could not be accepted stays in the kernel's queue, whose readiness would
/// have this thread spin until a descriptor is free again.
void ServerWorker::pause_accepting() {
  poller_.set_listening(listener_.number(), listener_token, false);
  accept_again_ = now_ + accept_pause;
}

void ServerWorker::turn_away(net::Descriptor socket) {
  bump(counts_.turned_away);
  handler_->notice({.kind = Notice::Kind::turned_away, .status = 503, .socket = socket.number()});
  const std::size_t mark = output_.size();
  output_.append({.status = 503,
                  .body = R"({"error": "too many connections"})",
                  .fields = "Retry-After: 1\r\n"},
                 false, Persistence::say_close);
  const std::string_view bytes = output_.from(mark);
  // A courtesy: where it cannot be sent at once, the connection just closes.
  [[maybe_unused]] const auto sent =
      ::send(socket.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  output_.truncate(mark);
  ::shutdown(socket.number(), SHUT_WR);
  // With a request unread, closing would reset the connection, and that answer could be lost.
  ::recv(socket.number(), nullptr, turned_away_bytes, MSG_TRUNC | MSG_DONTWAIT);
}

/// Whether there is room for one more connection; counts it if there is.
bool ServerWorker::admit(AddressCounts::Client client) {
  if (open_ >= options_.connections_per_thread_max) return false;
  const auto open_before = open_in_all_.fetch_add(1, std::memory_order_relaxed);
  if (open_before < options_.connections_max) {
    if (by_address_.add(client)) return true;
    bump(counts_.turned_away_by_address);
  }
  open_in_all_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void ServerWorker::open(net::Descriptor socket, AddressCounts::Client client) {
  Slot slot;
  if (free_.empty()) {
    slot = static_cast<Slot>(connections_.size());
    connections_.emplace_back(options_.limits);
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  ++open_;
  ServerConnection& connection = connections_[slot];
  connection.socket = std::move(socket);
  connection.client = client;
  connection.reader.start();
  bump(counts_.accepted);
  counts_.open.store(open_, std::memory_order_relaxed);
  enter(slot, Phase::idle);
  if (!poller_.add(connection.socket.number(), slot)) close(slot);
}

void ServerWorker::close(Slot slot) noexcept {
  ServerConnection& connection = connections_[slot];
  enter(slot, Phase::none);
  connection.socket.close();
  ++connection.turn;
  connection.begin = connection.end = 0;
  connection.unsent = std::string();
  connection.readable = connection.hung_up = false;
  connection.deferred = connection.closing = connection.continued = false;
  connection.route = 0;
  release_buffer(connection);
  free_.push_back(slot);
  --open_;
  open_in_all_.fetch_sub(1, std::memory_order_relaxed);
  by_address_.remove(connection.client);
  counts_.open.store(open_, std::memory_order_relaxed);
}

}  // namespace loadcore::http
