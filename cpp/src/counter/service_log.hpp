#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string_view>

#include "counter/log.hpp"
#include "loadcore/base/clock.hpp"
#include "loadcore/counter/durable_likes.hpp"
#include "loadcore/counter/service.hpp"
#include "loadcore/http/server.hpp"

namespace loadcore::counter {

/// What a service has to log. From any thread.
class ServiceLog {
 public:
  ServiceLog(LogDetail detail, int descriptor);

  /// For a server thread: logs what it tells of, and its requests where they are asked for. `make`
  /// makes the handler that answers, for the thread as it is to see it.
  std::unique_ptr<http::Handler> handler(http::ServerThread& thread,
                                         const http::HandlerFactory& make);

  void recovered(const StoreStats& store, const DurableStats& durable, base::Duration took);
  void started(std::string_view url, std::string_view admin_url, std::string_view durability);
  void befell(const StoreEvent& event);
  void draining(base::Duration drain);
  /// The first time only.
  void stopped(std::uint64_t cut_off);

  LogStats stats() const { return log_.stats(); }

 private:
  const LogDetail detail_;
  Log log_;
  std::mutex mutex_;  // of the source below, which is nobody's in particular
  Log::Source& source_;
  bool stopped_ = false;
};

}  // namespace loadcore::counter
