#include "loadcore/http/client.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "http/address_source.hpp"
#include "loadcore/base/assert.hpp"
#include "loadcore/http/response_reader.hpp"
#include "loadcore/net/deadline_list.hpp"

namespace loadcore::http {
namespace {

namespace asio = boost::asio;
using base::TimePoint;
using boost::system::error_code;

/// Enough for a usual answer in one read; 10,000 connections hold 40 MB of it.
constexpr std::size_t buffer_bytes = 4096;
/// What is left of a longer one is read through this, which all connections share.
constexpr std::size_t scratch_bytes = 64 * 1024;
constexpr int reads_in_a_row_max = 16;
/// More at once overflow the target's listen queue, and every lost SYN costs a second.
constexpr std::uint32_t connecting_max = 128;

enum class State : std::uint8_t { closed, waiting, connecting, idle, busy };

struct Connection {
  explicit Connection(asio::io_context& io) : socket(io) {}

  asio::generic::stream_protocol::socket socket;
  ResponseReader reader;
  std::string_view unsent;
  std::uint64_t received = 0;
  std::uint32_t generation = 0;  // tells a handler of a socket since closed from a current one
  State state = State::closed;
  bool reading = false;
  std::size_t address_first = 0;
  std::size_t address_attempt = 0;
  std::array<char, buffer_bytes> buffer;
};

class AsioTransport final : public ClientTransport {
 public:
  AsioTransport(const ClientOptions& options, ClientEvents& events)
      : io_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO),  // one thread runs it, others only post
        events_(events),
        addresses_(io_, options.url),
        alarm_(io_),
        deadline_timer_(io_),
        connect_timeout_(options.connect_timeout),
        connect_deadlines_(options.connections, options.connect_timeout),
        request_deadlines_(options.connections, options.request_timeout) {
    for (std::uint32_t slot = 0; slot < options.connections; ++slot) connections_.emplace_back(io_);
  }

  TimePoint now() const noexcept override { return base::now(); }

  void connect(Slot slot) override {
    LOADCORE_ASSERT(connections_[slot].state == State::closed);
    connections_[slot].state = State::waiting;
    waiting_.push_back(slot);
    asio::post(io_, [this] { start_connecting(); });
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
    arm_deadlines();
    write_some(slot);
    return started;
  }

  void close(Slot slot) override {
    Connection& connection = connections_[slot];
    if (connection.state == State::closed) return;
    if (connection.state == State::connecting) --connecting_;
    connection.state = State::closed;
    connection.unsent = {};
    connection.reading = false;
    ++connection.generation;
    connect_deadlines_.remove(slot);
    request_deadlines_.remove(slot);
    error_code ignored;
    connection.socket.close(ignored);
  }

  void set_alarm(TimePoint when) override {
    alarm_.expires_at(when);
    const auto generation = ++alarm_generation_;
    alarm_.async_wait([this, generation](const error_code&) {
      // A cancelled wait may already have been on its way when a new one was set.
      if (generation == alarm_generation_) events_.alarm();
    });
  }

  void clear_alarm() override {
    ++alarm_generation_;
    alarm_.cancel();
  }

  void run() override {
    const auto forever = asio::make_work_guard(io_);
    io_.run();
  }

  void stop() noexcept override { io_.stop(); }

  void wake() noexcept override {
    asio::post(io_, [this] { events_.alarm(); });
  }

 private:
  struct Handler {
    AsioTransport* self;
    void (AsioTransport::*event)(Slot, const error_code&, std::size_t);
    Slot slot;
    std::uint32_t generation;

    void operator()(const error_code& error, std::size_t bytes = 0) const {
      if (self->connections_[slot].generation == generation) (self->*event)(slot, error, bytes);
    }
  };

  Handler handler(Slot slot, void (AsioTransport::*event)(Slot, const error_code&, std::size_t)) {
    return {this, event, slot, connections_[slot].generation};
  }

  // --- connecting

  void start_connecting() {
    if (waiting_.empty()) return;
    if (!addresses_.fresh(now())) {
      if (!addresses_.looking_up()) addresses_.look_up([this] { looked_up(); });
      if (look_up_deadline_ == TimePoint::max()) {
        look_up_deadline_ = now() + connect_timeout_;
        arm_deadlines();
      }
      return;
    }
    while (!waiting_.empty() && connecting_ < connecting_max) {
      const Slot slot = take_waiting();
      if (slot == none) break;
      connections_[slot].state = State::connecting;
      connections_[slot].address_first = addresses_.first_choice();
      connections_[slot].address_attempt = 0;
      ++connecting_;
      connect_deadlines_.add(slot, now());
      arm_deadlines();
      try_address(slot);
    }
  }

  /// The next slot still waiting: one may have been closed, even asked for again, in the meantime.
  Slot take_waiting() {
    while (!waiting_.empty()) {
      const Slot slot = waiting_.front();
      waiting_.pop_front();
      if (connections_[slot].state == State::waiting) return slot;
    }
    return none;
  }

  void looked_up() {
    look_up_deadline_ = TimePoint::max();
    if (addresses_.error()) {
      fail_waiting(addresses_.error().message());
    } else {
      start_connecting();
    }
  }

  void fail_waiting(const std::string& reason) {
    // Whoever asks again from inside the event waits for another look-up.
    for (const Slot slot : std::exchange(waiting_, {})) {
      if (connections_[slot].state != State::waiting) continue;
      close(slot);
      events_.connect_failed(slot, reason);
    }
  }

  void try_address(Slot slot) {
    Connection& connection = connections_[slot];
    const SocketAddress& address =
        addresses_.at(connection.address_first, connection.address_attempt++);
    error_code error;
    connection.socket.close(error);
    connection.socket.open(address.protocol(), error);
    if (error) {
      asio::post(io_,
                 [handler = handler(slot, &AsioTransport::on_connect), error] { handler(error); });
      return;
    }
    if (address.protocol().family() != AF_UNIX) {
      const int on = 1;
      ::setsockopt(connection.socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    connection.socket.async_connect(address, handler(slot, &AsioTransport::on_connect));
  }

  void on_connect(Slot slot, const error_code& error, std::size_t) {
    Connection& connection = connections_[slot];
    if (error && connection.address_attempt < addresses_.size()) {
      ++connection.generation;
      try_address(slot);
      return;
    }
    if (error) {
      fail_connecting(slot, error.message());
      return;
    }
    --connecting_;
    connect_deadlines_.remove(slot);
    connection.state = State::idle;
    start_connecting();
    events_.connected(slot);
    start_reading(slot);
  }

  void fail_connecting(Slot slot, const std::string& reason) {
    close(slot);
    start_connecting();
    events_.connect_failed(slot, reason);
  }

  // --- writing

  void write_some(Slot slot) {
    Connection& connection = connections_[slot];
    while (!connection.unsent.empty()) {
      const ssize_t written = ::send(connection.socket.native_handle(), connection.unsent.data(),
                                     connection.unsent.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (written >= 0) {
        connection.unsent.remove_prefix(static_cast<std::size_t>(written));
      } else if (errno == EAGAIN) {
        connection.socket.async_wait(asio::socket_base::wait_write,
                                     handler(slot, &AsioTransport::on_writable));
        return;
      } else if (errno != EINTR) {
        // An answer sent before the connection broke may still be there to be read; where there is
        // none, the read that is under way says so. What is left unsent tells complete() that the
        // connection is of no use.
        return;
      }
    }
  }

  void on_writable(Slot slot, const error_code& error, std::size_t) {
    if (!error) write_some(slot);
  }

  // --- reading

  void start_reading(Slot slot) {
    Connection& connection = connections_[slot];
    if (connection.reading || connection.state < State::idle) return;
    connection.reading = true;
    connection.socket.async_read_some(asio::buffer(connection.buffer),
                                      handler(slot, &AsioTransport::on_read));
  }

  void on_read(Slot slot, const error_code& error, std::size_t bytes) {
    Connection& connection = connections_[slot];
    connection.reading = false;
    if (error) {
      on_end(slot, error == asio::error::eof);
      return;
    }
    take(slot, connection.buffer.data(), bytes, now());
    // A full buffer most likely means that more is waiting; a target that never stops sending must
    // not keep the other connections, nor the deadlines, from their turn.
    for (int turn = 0; turn < reads_in_a_row_max; ++turn) {
      if (bytes != buffer_bytes && bytes != scratch_bytes) break;
      if (connection.state != State::busy || connection.received == 0) break;
      const ssize_t more =
          ::recv(connection.socket.native_handle(), scratch_.data(), scratch_.size(), MSG_DONTWAIT);
      if (more <= 0) break;
      bytes = static_cast<std::size_t>(more);
      take(slot, scratch_.data(), bytes, now());
    }
    start_reading(slot);
  }

  void take(Slot slot, const char* data, std::size_t bytes, TimePoint at) {
    Connection& connection = connections_[slot];
    if (connection.state == State::idle) {
      // Bytes that answer no request: whatever comes next could not be told from them.
      close(slot);
      events_.closed(slot);
      return;
    }
    connection.received += bytes;
    const auto result = connection.reader.feed(data, bytes);
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
        complete(slot, at, clean && connection.reader.keep_alive());
        return;
      }
    }
  }

  void complete(Slot slot, TimePoint at, bool keep_alive) {
    Connection& connection = connections_[slot];
    const Answer answer{at, connection.received, connection.reader.status(), keep_alive};
    request_deadlines_.remove(slot);
    if (keep_alive) {
      connection.state = State::idle;
    } else {
      close(slot);
    }
    events_.answered(slot, answer);
  }

  /// The connection is over; `orderly` by FIN, which may be how a body ends, as opposed to RST.
  void on_end(Slot slot, bool orderly) {
    Connection& connection = connections_[slot];
    if (connection.state == State::idle) {
      close(slot);
      events_.closed(slot);
    } else if (orderly && connection.reader.finish()) {
      complete(slot, now(), false);
    } else {
      fail(slot, Failure::reset);
    }
  }

  void fail(Slot slot, Failure failure) {
    const std::uint64_t received = connections_[slot].received;
    close(slot);
    events_.failed(slot, failure, received);
  }

  // --- deadlines: one timer for all, set to the earliest or to an instant before it

  void arm_deadlines() {
    const TimePoint first =
        std::min({connect_deadlines_.next().value_or(TimePoint::max()),
                  request_deadlines_.next().value_or(TimePoint::max()), look_up_deadline_});
    if (first >= deadlines_armed_for_) return;
    deadlines_armed_for_ = first;
    deadline_timer_.expires_at(first);
    deadline_timer_.async_wait([this](const error_code& error) {
      if (!error) on_deadline();
    });
  }

  void on_deadline() {
    deadlines_armed_for_ = TimePoint::max();
    const TimePoint at = now();
    while (const auto slot = connect_deadlines_.pop_expired(at)) {
      fail_connecting(*slot, "Connection timed out");
    }
    while (const auto slot = request_deadlines_.pop_expired(at)) fail(*slot, Failure::timeout);
    if (look_up_deadline_ <= at) {
      look_up_deadline_ = TimePoint::max();
      fail_waiting("The name server did not answer in time");
    }
    arm_deadlines();
  }

  static constexpr Slot none = UINT32_MAX;

  asio::io_context io_;
  ClientEvents& events_;
  AddressSource addresses_;
  asio::steady_timer alarm_;
  asio::steady_timer deadline_timer_;
  base::Duration connect_timeout_;
  net::DeadlineList connect_deadlines_;
  net::DeadlineList request_deadlines_;
  std::deque<Connection> connections_;
  std::deque<Slot> waiting_;
  std::uint32_t connecting_ = 0;
  std::uint32_t alarm_generation_ = 0;
  TimePoint look_up_deadline_ = TimePoint::max();
  TimePoint deadlines_armed_for_ = TimePoint::max();
  std::array<char, scratch_bytes> scratch_;
};

}  // namespace

std::unique_ptr<ClientTransport> make_transport(const ClientOptions& options,
                                                ClientEvents& events) {
  return std::make_unique<AsioTransport>(options, events);
}

}  // namespace loadcore::http
