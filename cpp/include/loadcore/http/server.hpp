#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "loadcore/base/clock.hpp"
#include "loadcore/base/tally.hpp"
#include "loadcore/http/request_reader.hpp"

namespace loadcore::http {

/// What a handler says; the server adds the status line, Date, Content-Length and Connection, and
/// leaves the body out where the request was HEAD. The views need only last for the call.
struct Answer {
  int status = 200;  ///< 200 to 599; 204 and 304 have no body
  std::string_view body = {};
  std::string_view content_type = "application/json";
  std::string_view fields = {};  ///< further field lines, each with its CRLF
};

/// A request that is answered later. A plain value, of no use on another server thread.
struct Ticket {
  std::uint32_t slot;
  std::uint32_t turn;
};

/// Requests are counted by route: a number below this that the handler gives each; 0 is for those
/// that never reached a handler.
inline constexpr std::size_t routes_max = 8;

/// One request that waits for its answer, for the time of Handler::handle.
class Exchange {
 public:
  /// Counts the request under that route; call it before answer() or defer(). Else it is 0.
  virtual void count_as(std::uint8_t route) noexcept = 0;
  /// Answers now: the bytes are composed where they are sent from.
  virtual void answer(const Answer& answer) = 0;
  /// Puts the answer off: ServerThread::answer() gives it, once handle() has returned. Until then
  /// nothing more is read from that connection, so answers cannot overtake each other.
  virtual Ticket defer() = 0;

 protected:
  ~Exchange() = default;
};

/// A server's thread, as its handler sees it. For calls on that thread, except wake().
class ServerThread {
 public:
  /// Answers a deferred request. False where its client has gone in the meantime.
  virtual bool answer(Ticket ticket, const Answer& answer) = 0;
  /// Makes the server call Handler::woken() once what is ready now has been dealt with. From any
  /// thread, this one included; calls that come close together may become one.
  virtual void wake() noexcept = 0;
  /// Whether the server is stopping: what is under way is finished, nothing new is accepted.
  virtual bool draining() const noexcept = 0;

 protected:
  ~ServerThread() = default;
};

/// What a server thread did that its handler may want to tell somebody of.
struct Notice {
  enum class Kind : std::uint8_t {
    turned_away,    ///< a connection beyond a cap
    accept_failed,  ///< for want of descriptors or memory
    refused,        ///< what was no request, or one beyond the limits: `status` is the answer's
    timed_out,      ///< a connection was closed for being slow; idle ones not told of
    server_error,   ///< an answer of 500 or more: its body, or what the handler threw
  };
  Kind kind;
  int status = 0;
  std::string_view text = {};
  int socket = -1;  ///< the client's, for peer_of()
};

/// The address of a connection's other end, such as "127.0.0.1:4711"; empty where it is gone.
std::string peer_of(int socket);

/// Serves the requests of one server thread, always on that thread.
class Handler {
 public:
  virtual ~Handler() = default;
  /// Calls one of the exchange's functions, once. `request` views the connection's buffer and is
  /// gone when this returns. An exception becomes 500 and costs the client its connection.
  virtual void handle(const Request& request, Exchange& exchange) = 0;
  /// After ServerThread::wake().
  virtual void woken() {}
  /// Comes from within the server's work: calls nothing of the server's.
  virtual void notice(const Notice&) {}
};

/// Called once for each thread, before any is started. The handler goes before the ServerThread.
using HandlerFactory = std::function<std::unique_ptr<Handler>(ServerThread&)>;

struct ServerOptions {
  std::string host = "127.0.0.1";  ///< numeric address or name; empty or 0.0.0.0 or :: for all
  std::uint16_t port = 0;          ///< 0: a free one
  /// A TCP socket that listens already, in place of host and port; stays the caller's. Its
  /// connections go to whichever thread comes first.
  std::optional<int> listener;
  unsigned threads = 1;  ///< 1 to 1024
  RequestLimits limits;
  std::uint32_t connections_max = 16'384;             ///< open at once; more are answered 503
  std::uint32_t connections_per_thread_max = 16'384;  ///< likewise
  /// Open at once from one IPv4 address or IPv6 /64 network, likewise. Behind a load balancer all
  /// come from a few.
  std::uint32_t connections_per_address_max = 8192;
  /// Requests at once, a thread, that need more than a connection's own 2 KB; more are answered
  /// 503.
  std::uint32_t large_requests_per_thread_max = 1024;
  base::Duration head_timeout = std::chrono::seconds(10);  ///< from a head's first byte to its last
  base::Duration body_timeout = std::chrono::seconds(30);  ///< from the head's end to the body's
  base::Duration idle_timeout =
      std::chrono::seconds(75);  ///< without the next request's first byte
  base::Duration send_timeout = std::chrono::seconds(30);  ///< for a client to take what is sent
};

/// Counts since the start, and what is open now.
struct ServerStats {
  std::uint64_t accepted = 0;
  std::uint64_t turned_away = 0;             ///< connections beyond a cap
  std::uint64_t turned_away_by_address = 0;  ///< those of them that were beyond their address' own
  std::uint64_t open = 0;
  std::uint64_t timed_out = 0;      ///< connections closed for being slow; idle ones not counted
  std::uint64_t accept_errors = 0;  ///< out of descriptors or memory
  std::map<int, std::uint64_t> answers;  ///< by status
  std::array<std::map<int, std::uint64_t>, routes_max> answers_of_route;
  /// From a request having been read to its answer having been handed to the kernel.
  std::array<base::SpanCounts, routes_max> handling;
};

/// An HTTP/1.1 server over TCP: one listener, one poller and one handler a thread, connections
/// owned by the thread that accepted them. Nothing is allocated per request once buffers are warm.
/// Forking the process is not supported.
class Server {
 public:
  /// Listens and starts the threads. Throws base::PlanError (fields host, threads, listener) and
  /// base::RunError where it cannot listen there.
  Server(const ServerOptions& options, const HandlerFactory& make_handler);
  /// Stops without draining.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const noexcept;
  /// `http://127.0.0.1:8080`: where a client on this machine reaches it.
  std::string url() const;

  /// Stops accepting, says `Connection: close` on every answer, closes idle connections, and after
  /// `drain` also those whose request is not answered yet. Returns at once; calling it again can
  /// only make the end come sooner. From any thread.
  void stop(base::Duration drain) noexcept;
  /// Waits for the threads to end after stop(), for `span` at most; true once they have.
  bool wait_stopped(base::Duration span) noexcept;
  /// Connections that the end of the drain cut off in mid-request.
  std::uint64_t cut_off() const noexcept;
  ServerStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace loadcore::http
