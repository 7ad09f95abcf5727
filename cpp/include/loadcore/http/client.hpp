#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "loadcore/base/clock.hpp"
#include "loadcore/http/url.hpp"

namespace loadcore::http {

/// A connection's number within its transport: 0 to connections - 1, the same over reconnections.
using Slot = std::uint32_t;

enum class Failure : std::uint8_t {
  timeout,   ///< no complete answer in time
  reset,     ///< the peer closed or reset the connection before the answer was complete
  protocol,  ///< the answer was not HTTP/1.x
};

struct Response {
  base::TimePoint last_byte;  ///< when the last byte had been read
  std::uint64_t bytes;        ///< received for this request, head and framing included
  int status;
  bool keep_alive;  ///< false: the transport has closed the connection
};

/// What a transport tells its one user, always on the thread that is in run(), never from inside a
/// call that the user makes on the transport.
class ClientEvents {
 public:
  virtual ~ClientEvents() = default;
  virtual void connected(Slot slot) = 0;
  /// No connection: refused, unreachable, name not found, or not made in time. `reason` is text
  /// such as "Connection refused", for this call only.
  virtual void connect_failed(Slot slot, std::string_view reason) = 0;
  virtual void answered(Slot slot, const Response& answer) = 0;
  /// The request under way failed; the connection is closed.
  virtual void failed(Slot slot, Failure failure, std::uint64_t bytes_received) = 0;
  /// An idle connection was closed by the peer.
  virtual void closed(Slot slot) = 0;
  /// The alarm set last has come due.
  virtual void alarm() = 0;
};

/// One thread's connections to one target: the seam under the load engine. The real one waits on a
/// poller; tests have one on a simulated clock and network. Not thread-safe but for stop() and
/// wake().
class ClientTransport {
 public:
  virtual ~ClientTransport() = default;
  virtual base::TimePoint now() const noexcept = 0;

  /// Starts connecting a closed slot; ends in connected() or connect_failed().
  virtual void connect(Slot slot) = 0;
  /// Sends on a connected, idle slot; ends in answered() or failed(). `request` must outlive that.
  /// Returns the instant right before the first byte was handed to the kernel.
  virtual base::TimePoint send(Slot slot, std::string_view request, bool is_head) = 0;
  /// Closes the slot without a further event for it.
  virtual void close(Slot slot) = 0;
  /// Calls alarm() once at `when`, or at once if that is past; replaces an alarm set before.
  virtual void set_alarm(base::TimePoint when) = 0;
  /// Calls alarm() no more until one is set again.
  virtual void clear_alarm() = 0;

  /// Delivers events on this thread until stop().
  virtual void run() = 0;
  /// Makes run() return soon. From any thread.
  virtual void stop() noexcept = 0;
  /// Makes run() call alarm() soon, whatever alarm is set. From any thread.
  virtual void wake() noexcept = 0;
};

struct ClientOptions {
  Url url;
  std::uint32_t connections = 1;
  base::Duration connect_timeout = std::chrono::seconds(5);
  base::Duration request_timeout = std::chrono::seconds(10);
};

/// Names are resolved anew for connection attempts (answers are kept for a second at most), so that
/// a target behind a balancer is followed when its addresses change.
std::unique_ptr<ClientTransport> make_transport(const ClientOptions& options, ClientEvents& events);

}  // namespace loadcore::http
