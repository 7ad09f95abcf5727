#include "loadcore/http/client.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "http/address_source.hpp"
#include "loadcore/base/assert.hpp"
#include "loadcore/http/response_reader.hpp"
#include "loadcore/net/alarm_clock.hpp"
#include "loadcore/net/deadline_list.hpp"
#include "loadcore/net/descriptor.hpp"
#include "loadcore/net/poller.hpp"

namespace loadcore::http {
namespace {

using base::TimePoint;

/// All connections read through one buffer, since a reader takes whatever it is given: an idle
/// connection costs no more than its socket.
constexpr std::size_t buffer_bytes = 64 * 1024;
/// A target that never stops sending must not keep the other connections from their turn.
constexpr int reads_in_a_row_max = 16;
/// More at once overflow the target's listen queue, and every lost SYN costs a second.
constexpr std::uint32_t connecting_max = 128;

constexpr std::uint32_t ended_events = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

std::string reason(int error) { return std::generic_category().message(error); }

enum class State : std::uint8_t { closed, waiting, connecting, idle, busy };

struct Connection {
  net::Descriptor socket;
  ResponseReader reader;
  std::string_view unsent;
  std::uint64_t received = 0;
  std::uint32_t generation = 0;  // tells an event of a socket since closed from a current one
  State state = State::closed;
  bool unread = false;  // it had its turn, and there is more: in unread_
  std::size_t address_first = 0;
  std::size_t address_attempt = 0;
};

class PollingTransport final : public ClientTransport {
 public:
  PollingTransport(const ClientOptions& options, ClientEvents& events)
      : events_(events),
        addresses_(options.url, [this] { poller_.wake(); }),
        connect_timeout_(options.connect_timeout),
        connect_deadlines_(options.connections, options.connect_timeout),
        request_deadlines_(options.connections, options.request_timeout),
        connections_(options.connections) {
    poller_.add(alarm_clock_.descriptor(), alarm_token);
  }

  TimePoint now() const noexcept override { return base::now(); }

  void connect(Slot slot) override {
    LOADCORE_ASSERT(connections_[slot].state == State::closed);
    connections_[slot].state = State::waiting;
    waiting_.push_back(slot);
  }

  TimePoint send(Slot slot, std::string_view request, bool is_head) override {
    Connection& connection = connections_[slot];
    LOADCORE_ASSERT(connection.state == State::idle);
    connection.state = State::busy;
    connection.received = 0;
    connection.unsent = request;
    connection.reader.start(is_head);
    const TimePoint started = now();
    request_deadlines_.add(slot, started);
    write_some(connection);
    return started;
  }

  void close(Slot slot) override {
    Connection& connection = connections_[slot];
    if (connection.state == State::closed) return;
    if (connection.state == State::connecting) --connecting_;
    connection.state = State::closed;
    connection.unsent = {};
    ++connection.generation;
    connect_deadlines_.remove(slot);
    request_deadlines_.remove(slot);
    connection.socket.close();
  }

  void set_alarm(TimePoint when) override {
    alarm_at_ = when;
    alarm_clock_.set(when);
  }

  void clear_alarm() override {
    if (alarm_at_ == TimePoint::max()) return;
    alarm_at_ = TimePoint::max();
    alarm_clock_.clear();
  }

  void run() override {
    while (!stopped_) {
      start_connecting();
      const auto events = poller_.wait(next_deadline());
      for (const epoll_event& event : events) {
        if (stopped_) return;
        dispatch(event);
      }
      read_on();
      expire(now());
    }
  }

  void stop() noexcept override {
    stopped_ = true;
    poller_.wake();
  }

  void wake() noexcept override {
    woken_ = true;
    poller_.wake();
  }

 private:
  static constexpr Slot none = UINT32_MAX;
  static constexpr std::uint64_t alarm_token = net::Poller::wake_token - 1;

  static std::uint64_t token_of(Slot slot, std::uint32_t generation) noexcept {
    return std::uint64_t{generation} << 32 | slot;
  }

  void dispatch(const epoll_event& event) {
    if (event.data.u64 == net::Poller::wake_token) {
      if (addresses_.collect(now())) looked_up();
      if (woken_.exchange(false)) events_.alarm();
      return;
    }
    if (event.data.u64 == alarm_token) {
      // It may have been set anew since it rang.
      if (now() < alarm_at_) return;
      alarm_at_ = TimePoint::max();
      events_.alarm();
      return;
    }
    const auto slot = static_cast<Slot>(event.data.u64);
    Connection& connection = connections_[slot];
    if (connection.generation != static_cast<std::uint32_t>(event.data.u64 >> 32)) return;
    if (connection.state == State::connecting) {
      finish_connecting(slot);
      // The peer may have closed already, and this is the only event to tell of that.
      if (stopped_ || connection.state < State::idle) return;
    }
    if ((event.events & EPOLLOUT) != 0 && !connection.unsent.empty()) write_some(connection);
    if ((event.events & (EPOLLIN | ended_events)) != 0) {
      read_some(slot, (event.events & ended_events) != 0);
    }
  }

  // --- connecting

  void start_connecting() {
    if (waiting_.empty()) return;
    const TimePoint at = now();
    if (!addresses_.fresh(at)) {
      if (!addresses_.looking_up()) addresses_.look_up();
      if (look_up_deadline_ == TimePoint::max()) look_up_deadline_ = at + connect_timeout_;
      return;
    }
    // Whoever asks again from inside an event gets another turn, after the others.
    for (std::size_t turns = waiting_.size(); turns > 0 && connecting_ < connecting_max; --turns) {
      const Slot slot = waiting_.front();
      waiting_.pop_front();
      Connection& connection = connections_[slot];
      // It may have been closed in the meantime, and even asked for again.
      if (connection.state != State::waiting) continue;
      connection.state = State::connecting;
      connection.address_first = addresses_.first_choice();
      connection.address_attempt = 0;
      ++connecting_;
      connect_deadlines_.add(slot, at);
      try_addresses(slot, 0);
    }
  }

  void looked_up() {
    look_up_deadline_ = TimePoint::max();
    if (!addresses_.error().empty()) fail_waiting(addresses_.error());
  }

  void fail_waiting(const std::string& reason) {
    for (const Slot slot : std::exchange(waiting_, {})) {
      if (connections_[slot].state != State::waiting) continue;
      close(slot);
      events_.connect_failed(slot, reason);
    }
  }

  /// Goes on to the next address until one takes its time; `error` is what the last one said.
  void try_addresses(Slot slot, int error) {
    Connection& connection = connections_[slot];
    while (connection.address_attempt < addresses_.size()) {
      error =
          try_address(slot, addresses_.at(connection.address_first, connection.address_attempt++));
      if (error == 0) return;
    }
    fail_connecting(slot, reason(error));
  }

  int try_address(Slot slot, const net::Endpoint& address) {
    Connection& connection = connections_[slot];
    ++connection.generation;
    connection.socket =
        net::Descriptor(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int socket = connection.socket.number();
    if (socket < 0) return errno;
    if (address.family() != AF_UNIX) {
      const int on = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (::connect(socket, address.data(), address.size()) != 0 && errno != EINPROGRESS)
      return errno;
    return poller_.add(socket, token_of(slot, connection.generation)) ? 0 : ENOMEM;
  }

  void finish_connecting(Slot slot) {
    Connection& connection = connections_[slot];
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(connection.socket.number(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      try_addresses(slot, error);
      return;
    }
    --connecting_;
    connect_deadlines_.remove(slot);
    connection.state = State::idle;
    events_.connected(slot);
  }

  void fail_connecting(Slot slot, const std::string& reason) {
    close(slot);
    events_.connect_failed(slot, reason);
  }

  // --- writing

  static void write_some(Connection& connection) {
    while (!connection.unsent.empty()) {
      const ssize_t written = ::send(connection.socket.number(), connection.unsent.data(),
                                     connection.unsent.size(), MSG_NOSIGNAL);
      if (written >= 0) {
        connection.unsent.remove_prefix(static_cast<std::size_t>(written));
      } else if (errno != EINTR) {
        // Full: an event says when there is room again. Broken: an answer sent before that may
        // still be there to be read, and where there is none the read says so; what is left unsent
        // tells complete() that the connection is of no use.
        return;
      }
    }
  }

  // --- reading

  /// What there is, up to this connection's turn. `ended` says that the end is there to be read,
  /// too.
  void read_some(Slot slot, bool ended) {
    Connection& connection = connections_[slot];
    const std::uint32_t generation = connection.generation;
    for (int turn = 0; turn < reads_in_a_row_max; ++turn) {
      const ssize_t bytes = ::recv(connection.socket.number(), buffer_.data(), buffer_.size(), 0);
      if (bytes < 0 && errno == EINTR) continue;
      if (bytes < 0 && errno == EAGAIN) return;
      if (bytes <= 0) {
        end(slot, bytes == 0);
        return;
      }
      take(slot, static_cast<std::size_t>(bytes), ended);
      if (connection.generation != generation || stopped_) return;
      // A short read of a stream says that there is no more (epoll(7)), but for its end.
      if (static_cast<std::size_t>(bytes) < buffer_.size() && !ended) return;
    }
    if (!connection.unread) {
      connection.unread = true;
      unread_.push_back(slot);
    }
  }

  /// The next turn of those that had more than theirs.
  void read_on() {
    for (const Slot slot : std::exchange(unread_, {})) {
      Connection& connection = connections_[slot];
      connection.unread = false;
      if (stopped_) return;
      // That it ended is not known here, but a further read finds that out.
      if (connection.state >= State::idle) read_some(slot, true);
    }
  }

  void take(Slot slot, std::size_t bytes, bool ended) {
    Connection& connection = connections_[slot];
    if (connection.state == State::idle) {
      // Bytes that answer no request: whatever comes next could not be told from them.
      close(slot);
      events_.closed(slot);
      return;
    }
    connection.received += bytes;
    const auto result = connection.reader.feed(buffer_.data(), bytes);
    switch (result.state) {
      case ResponseReader::State::more:
        return;
      case ResponseReader::State::malformed:
        fail(slot, Failure::protocol);
        return;
      case ResponseReader::State::complete: {
        // An answer that came before the whole request was out, or with more bytes behind it,
        // leaves a connection whose next answer could not be trusted.
        const bool clean = result.consumed == bytes && connection.unsent.empty();
        complete(slot, clean && connection.reader.keep_alive() && !(ended && at_end(connection)));
        return;
      }
    }
  }

  /// Whether the peer has closed or reset behind what was read, so that a next request would be
  /// lost.
  static bool at_end(const Connection& connection) noexcept {
    char next = 0;
    const ssize_t bytes = ::recv(connection.socket.number(), &next, 1, MSG_PEEK);
    return bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR);
  }

  void complete(Slot slot, bool keep_alive) {
    Connection& connection = connections_[slot];
    const Response answer{now(), connection.received, connection.reader.status(), keep_alive};
    request_deadlines_.remove(slot);
    if (keep_alive) {
      connection.state = State::idle;
    } else {
      close(slot);
    }
    events_.answered(slot, answer);
  }

  /// The connection is over; `orderly` by FIN, which may be how a body ends, as opposed to RST.
  void end(Slot slot, bool orderly) {
    Connection& connection = connections_[slot];
    if (connection.state == State::idle) {
      close(slot);
      events_.closed(slot);
    } else if (orderly && connection.reader.finish()) {
      complete(slot, false);
    } else {
      fail(slot, Failure::reset);
    }
  }

  void fail(Slot slot, Failure failure) {
    const std::uint64_t received = connections_[slot].received;
    close(slot);
    events_.failed(slot, failure, received);
  }

  // --- deadlines

  std::optional<TimePoint> next_deadline() const noexcept {
    const bool something_to_do =
        !unread_.empty() || (!waiting_.empty() && connecting_ < connecting_max &&
                             look_up_deadline_ == TimePoint::max());
    if (something_to_do) return TimePoint();
    const TimePoint first =
        std::min({connect_deadlines_.next().value_or(TimePoint::max()),
                  request_deadlines_.next().value_or(TimePoint::max()), look_up_deadline_});
    if (first == TimePoint::max()) return std::nullopt;
    return first;
  }

  void expire(TimePoint at) {
    while (const auto slot = connect_deadlines_.pop_expired(at)) {
      fail_connecting(*slot, "Connection timed out");
    }
    while (const auto slot = request_deadlines_.pop_expired(at)) fail(*slot, Failure::timeout);
    if (look_up_deadline_ <= at) {
      look_up_deadline_ = TimePoint::max();
      fail_waiting("The name server did not answer in time");
    }
  }

  ClientEvents& events_;
  net::Poller poller_;
  net::AlarmClock alarm_clock_;
  AddressSource addresses_;
  const base::Duration connect_timeout_;
  net::DeadlineList connect_deadlines_;
  net::DeadlineList request_deadlines_;
  TimePoint look_up_deadline_ = TimePoint::max();
  TimePoint alarm_at_ = TimePoint::max();
  std::vector<Connection> connections_;
  std::deque<Slot> waiting_;
  std::vector<Slot> unread_;
  std::uint32_t connecting_ = 0;
  std::atomic<bool> stopped_{false};
  std::atomic<bool> woken_{false};
  std::array<char, buffer_bytes> buffer_;
};

}  // namespace

std::unique_ptr<ClientTransport> make_transport(const ClientOptions& options,
                                                ClientEvents& events) {
  return std::make_unique<PollingTransport>(options, events);
}

}  // namespace loadcore::http
