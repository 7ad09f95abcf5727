#include "loadcore/counter/service.hpp"

#include <deque>

#include "counter/routes.hpp"

namespace loadcore::counter {

class Service::Impl {
 public:
  explicit Impl(const ServiceOptions& options)
      : likes_(options.likes),
        server_(options.server,
                [this](http::ServerThread& thread) -> std::unique_ptr<http::Handler> {
                  return std::make_unique<Routes>(likes_, counts_.emplace_back(), thread);
                }) {}

  http::Server& server() noexcept { return server_; }

  ServiceStats stats() const {
    ServiceStats stats{server_.stats(), likes_.stats(), {}};
    for (const RouteCounts& counts : counts_) {
      stats.routes["post_likes"] += counts.post_likes.load(std::memory_order_relaxed);
      stats.routes["get_likes"] += counts.get_likes.load(std::memory_order_relaxed);
      stats.routes["healthcheck"] += counts.healthcheck.load(std::memory_order_relaxed);
      stats.routes["readiness"] += counts.readiness.load(std::memory_order_relaxed);
      stats.routes["other"] += counts.other.load(std::memory_order_relaxed);
    }
    return stats;
  }

 private:
  Likes likes_;
  std::deque<RouteCounts> counts_;
  http::Server server_;  // last: its threads use the others
};

Service::Service(const ServiceOptions& options) : impl_(std::make_unique<Impl>(options)) {}

Service::~Service() = default;

std::uint16_t Service::port() const noexcept { return impl_->server().port(); }

std::string Service::url() const { return impl_->server().url(); }

void Service::stop(base::Duration drain) noexcept { impl_->server().stop(drain); }

bool Service::wait_stopped(base::Duration span) noexcept {
  return impl_->server().wait_stopped(span);
}

std::uint64_t Service::cut_off() const noexcept { return impl_->server().cut_off(); }

ServiceStats Service::stats() const { return impl_->stats(); }

}  // namespace loadcore::counter
