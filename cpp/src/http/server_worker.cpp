#include "http/server_worker.hpp"

#include <sys/socket.h>

#include <algorithm>

#include "loadcore/base/assert.hpp"

namespace loadcore::http {
namespace {

/// For a client to close after an answer that closes; what it sends until then is thrown away.
constexpr auto linger_timeout = std::chrono::seconds(2);
constexpr auto never = std::numeric_limits<base::Duration::rep>::max();

}  // namespace

ServerWorker::ServerWorker(const ServerOptions& options, net::Descriptor listener,
                           std::atomic<std::uint32_t>& open_in_all, AddressCounts& by_address)
    : options_(options),
      open_in_all_(open_in_all),
      by_address_(by_address),
      listener_(std::move(listener)),
      deadlines_{net::DeadlineList(options.connections_per_thread_max, options.idle_timeout),
                 net::DeadlineList(options.connections_per_thread_max, options.head_timeout),
                 net::DeadlineList(options.connections_per_thread_max, options.body_timeout),
                 net::DeadlineList(options.connections_per_thread_max, options.send_timeout),
                 net::DeadlineList(options.connections_per_thread_max, linger_timeout)},
      exchange_(*this) {
  const bool added = poller_.add_listener(listener_.number(), listener_token);
  LOADCORE_ASSERT(added);
}

void ServerWorker::stop(base::TimePoint deadline) noexcept {
  const auto at = deadline.time_since_epoch().count();
  auto before = stop_at_.load(std::memory_order_relaxed);
  while (at < before && !stop_at_.compare_exchange_weak(before, at, std::memory_order_relaxed)) {
  }
  poller_.wake();
}

void ServerWorker::wake() noexcept {
  if (wake_pending_.exchange(true, std::memory_order_acq_rel)) return;
  // This thread looks at the flag before it waits again.
  if (std::this_thread::get_id() != thread_) poller_.wake();
}

void ServerWorker::run() {
  thread_ = std::this_thread::get_id();
  while (!draining_ || open_ > 0) {
    const auto events = poller_.wait(next_deadline());
    now_ = base::now();
    output_.set_time(now_);
    for (const epoll_event& event : events) dispatch(event);
    resume_connections();
    if (wake_pending_.load(std::memory_order_relaxed) &&
        wake_pending_.exchange(false, std::memory_order_acq_rel)) {
      handler_->woken();
      resume_connections();
    }
    expire();
  }
}

std::optional<base::TimePoint> ServerWorker::next_deadline() const noexcept {
  if (!resuming_.empty() || wake_pending_.load(std::memory_order_relaxed)) return now_;
  std::optional<base::TimePoint> first = accept_again_;
  const auto consider = [&first](std::optional<base::TimePoint> other) {
    if (other && (!first || *other < *first)) first = other;
  };
  for (const net::DeadlineList& list : deadlines_) consider(list.next());
  if (draining_) {
    consider(base::TimePoint(base::Duration(stop_at_.load(std::memory_order_relaxed))));
  }
  return first;
}

void ServerWorker::dispatch(const epoll_event& event) {
  if (event.data.u64 == listener_token) {
    accept_some();
  } else if (event.data.u64 != net::Poller::wake_token) {
    on_event(static_cast<Slot>(event.data.u64), event.events);
  }
}

/// May come for a client that has been closed since, or whose slot has another one by now; then it
/// only costs a look.
void ServerWorker::on_event(Slot slot, std::uint32_t bits) {
  ServerConnection& connection = connections_[slot];
  if (!connection.socket) return;
  if ((bits & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) connection.readable = true;
  if ((bits & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) connection.hung_up = true;
  if (!connection.unsent.empty() && (bits & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
    if (send_unsent(slot)) serve(slot);
  } else if (connection.phase == Phase::lingering) {
    discard(slot);
  } else if (connection.may_read()) {
    read(slot);
  }
}

void ServerWorker::resume_later(Slot slot) {
  if (connections_[slot].resuming) return;
  connections_[slot].resuming = true;
  resuming_.push_back(slot);
}

void ServerWorker::resume_connections() {
  if (resuming_.empty()) return;
  // Those that are put off again have to wait until other clients have had their turn.
  resuming_now_.swap(resuming_);
  for (const Slot slot : resuming_now_) {
    connections_[slot].resuming = false;
    if (connections_[slot].socket) serve(slot);
  }
  resuming_now_.clear();
}

// --- deadlines

void ServerWorker::enter(Slot slot, Phase phase) noexcept {
  ServerConnection& connection = connections_[slot];
  if (connection.phase == phase && phase != Phase::idle) return;  // it runs from its beginning
  if (connection.phase != Phase::none && connection.phase != phase) {
    deadlines_[static_cast<std::size_t>(connection.phase)].remove(slot);
  }
  connection.phase = phase;
  if (phase != Phase::none) deadlines_[static_cast<std::size_t>(phase)].add(slot, now_);
}

void ServerWorker::expire() {
  if (stop_at_.load(std::memory_order_relaxed) != never) drain();
  if (accept_again_ && *accept_again_ <= now_) {
    accept_again_.reset();
    if (listener_) poller_.set_listening(listener_.number(), listener_token, true);
  }
  for (std::size_t phase = 0; phase < phases; ++phase) {
    while (const auto slot = deadlines_[phase].pop_expired(now_)) {
      ServerConnection& connection = connections_[*slot];
      connection.phase = Phase::none;
      const auto due = static_cast<Phase>(phase);
      if (due == Phase::head || due == Phase::body || due == Phase::sending) {
        bump(counts_.timed_out);
        handler_->notice({.kind = Notice::Kind::timed_out,
                          .text = due == Phase::sending ? "the answer was not taken"
                                                        : "the request did not arrive",
                          .socket = connection.socket.number()});
      }
      if (due == Phase::head || due == Phase::body) {
        const std::size_t mark = output_.size();
        refuse(connection, {408, "the request took too long to arrive"});
        if (flush(*slot, mark)) settle(*slot);
      } else {
        close(*slot);
      }
    }
  }
}

// --- the end

void ServerWorker::drain() {
  if (!draining_) {
    draining_ = true;
    // What the kernel has accepted for us already would be reset.
    accept_some();
    listener_.close();
    accept_again_.reset();
    for (Slot slot = 0; slot < connections_.size(); ++slot) {
      ServerConnection& connection = connections_[slot];
      if (!connection.socket || connection.phase != Phase::idle) continue;
      char byte;
      if (::recv(connection.socket.number(), &byte, 1, MSG_PEEK) > 0) {
        connection.readable = true;
        read(slot);
      } else {
        close(slot);
      }
    }
  }
  if (stop_at_.load(std::memory_order_relaxed) <= now_.time_since_epoch().count()) cut_all();
}

void ServerWorker::cut_all() {
  for (Slot slot = 0; slot < connections_.size(); ++slot) {
    if (!connections_[slot].socket) continue;
    if (connections_[slot].phase != Phase::lingering) bump(counts_.cut_off);
    close(slot);
  }
}

void ServerWorker::add_to(ServerStats& stats) const {
  const auto read = [](const Count& count) { return count.load(std::memory_order_relaxed); };
  stats.accepted += read(counts_.accepted);
  stats.turned_away += read(counts_.turned_away);
  stats.turned_away_by_address += read(counts_.turned_away_by_address);
  stats.open += read(counts_.open);
  stats.timed_out += read(counts_.timed_out);
  stats.accept_errors += read(counts_.accept_errors);
  for (std::size_t route = 0; route < routes_max; ++route) {
    for (std::size_t i = 0; i < statuses; ++i) {
      const std::uint64_t count = read(counts_.answers[route][i]);
      if (count == 0) continue;
      const int status = status_min + static_cast<int>(i);
      stats.answers[status] += count;
      stats.answers_of_route[route][status] += count;
    }
    counts_.handling[route].add_to(stats.handling[route]);
  }
}

}  // namespace loadcore::http
