#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "counter/log.hpp"
#include "loadcore/base/clock.hpp"
#include "loadcore/http/server.hpp"

namespace loadcore::counter {

/// Logs what a server thread tells of, and hands everything else on to another handler.
class LoggedHandler : public http::Handler {
 public:
  /// `source` is this thread's and must outlive it.
  explicit LoggedHandler(Log::Source& source) noexcept : source_(source) {}
  void set_inner(std::unique_ptr<http::Handler> inner) noexcept { inner_ = std::move(inner); }

  void handle(const http::Request& request, http::Exchange& exchange) override {
    inner_->handle(request, exchange);
  }
  void woken() override { inner_->woken(); }
  void notice(const http::Notice& notice) override;

 protected:
  Log::Source& source_;
  std::unique_ptr<http::Handler> inner_;
};

/// Logs each request as well, up to the log's rate, and gives each an id: the client's
/// X-Request-Id where that is 1 to id_bytes_max characters of A-Z a-z 0-9 . _ ~ : -, else one of
/// its own. The answer says it.
class LoggedRequests final : public LoggedHandler, private http::ServerThread {
 public:
  static constexpr std::size_t id_bytes_max = 64;
  static constexpr std::size_t path_bytes_max = 160;  ///< what is logged of a path

  /// `thread` is the server's; it and `source` must outlive it.
  LoggedRequests(Log::Source& source, http::ServerThread& thread);
  ~LoggedRequests() override;

  /// The thread as the inner handler is to see it, so that deferred answers come by here.
  http::ServerThread& thread() noexcept { return *this; }

  void handle(const http::Request& request, http::Exchange& exchange) override;

 private:
  /// One request that waits for its answer. Nothing is allocated for one.
  struct Waiting {
    base::TimePoint begin{};
    std::uint8_t method_bytes = 0;
    std::uint8_t path_bytes = 0;
    std::uint8_t id_bytes = 0;
    std::array<char, 16> method;
    std::array<char, path_bytes_max> path;
    std::array<char, id_bytes_max> id;
  };

  /// Notes what becomes of the request that is being handled.
  class LoggedExchange final : public http::Exchange {
   public:
    LoggedExchange(LoggedRequests& log, http::Exchange& outer) noexcept
        : log_(log), outer_(outer) {}
    void count_as(std::uint8_t route) noexcept override { outer_.count_as(route); }
    void answer(const http::Answer& answer) override;
    http::Ticket defer() override;

   private:
    LoggedRequests& log_;
    http::Exchange& outer_;
  };

  bool answer(http::Ticket ticket, const http::Answer& answer) override;
  void wake() noexcept override { outer_.wake(); }
  bool draining() const noexcept override { return outer_.draining(); }

  void begin(const http::Request& request, Waiting& waiting);
  http::Answer with_id(const http::Answer& answer, const Waiting& waiting);
  void log(const Waiting& waiting, int status);

  http::ServerThread& outer_;
  Waiting now_;                    // being handled
  std::vector<Waiting> deferred_;  // by slot
  std::string fields_;
  std::uint64_t next_id_;
};

}  // namespace loadcore::counter
