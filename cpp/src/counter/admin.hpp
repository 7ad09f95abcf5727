#pragma once

#include <functional>
#include <string>

#include "counter/health.hpp"
#include "loadcore/counter/service.hpp"
#include "loadcore/http/server.hpp"

namespace loadcore::counter {

/// What the admin listener shows. Called on its thread.
struct AdminViews {
  std::function<std::string()> metrics;
  std::function<Health()> health;
};

/// The admin listener: GET /metrics and GET /v1/healthcheck on an address and a thread of its own,
/// so that whoever may send likes need not see figures, and a flood of likes does not hide them.
class Admin {
 public:
  /// Listens. Throws base::PlanError, fields admin_host and admin_listener, where it cannot.
  Admin(const AdminOptions& options, AdminViews views);

  std::string url() const { return server_.url(); }
  /// Stops at once.
  void stop() noexcept;

 private:
  const AdminViews views_;
  http::Server server_;
};

}  // namespace loadcore::counter
