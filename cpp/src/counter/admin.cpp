#include "counter/admin.hpp"

#include <memory>
#include <utility>

#include "counter/exposition.hpp"
#include "loadcore/base/error.hpp"

namespace loadcore::counter {
namespace {

class AdminRoutes final : public http::Handler {
 public:
  explicit AdminRoutes(const AdminViews& views) noexcept : views_(views) {}

  void handle(const http::Request& request, http::Exchange& exchange) override {
    constexpr std::string_view allow = "Allow: GET, HEAD\r\n";
    const bool metrics = request.path == "/metrics";
    if (!metrics && request.path != "/v1/healthcheck") {
      exchange.answer({.status = 404, .body = R"({"error": "there is nothing at this path"})"});
    } else if (request.method != "GET" && request.method != "HEAD") {
      exchange.answer(
          {.status = 405, .body = R"({"error": "this takes GET and HEAD"})", .fields = allow});
    } else if (metrics) {
      const std::string text = views_.metrics();
      exchange.answer({.body = text, .content_type = Exposition::content_type});
    } else {
      const Health health = views_.health();
      exchange.answer({.status = health.status, .body = health.body});
    }
  }

 private:
  const AdminViews& views_;
};

http::ServerOptions server_options(const AdminOptions& options) {
  http::ServerOptions server;
  server.host = options.host;
  server.port = options.port;
  server.limits.body_bytes = 0;
  server.connections_max = 64;
  server.connections_per_thread_max = 64;
  return server;
}

http::Server listen(const AdminOptions& options, const AdminViews& views) {
  return {server_options(options), [&views](http::ServerThread&) -> std::unique_ptr<http::Handler> {
            return std::make_unique<AdminRoutes>(views);
          }};
}

}  // namespace

Admin::Admin(const AdminOptions& options, AdminViews views) try
    : views_(std::move(views)), server_(listen(options, views_)) {
} catch (const base::PlanError& error) {
  throw base::PlanError("admin_" + error.field(), error.what());
} catch (const base::RunError& error) {
  throw base::PlanError("admin_listener", error.what());
}

void Admin::stop() noexcept {
  server_.stop(base::Duration(0));
  server_.wait_stopped(std::chrono::seconds(1));
}

}  // namespace loadcore::counter
