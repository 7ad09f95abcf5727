#include "loadcore/counter/service.hpp"

#include <deque>

#include "counter/admin.hpp"
#include "counter/health.hpp"
#include "counter/memory_likes.hpp"
#include "counter/metrics.hpp"
#include "counter/routes.hpp"
#include "counter/service_log.hpp"
#include "counter/system_clock.hpp"
#include "loadcore/base/assert.hpp"
#include "loadcore/base/error.hpp"
#include "loadcore/counter/batcher.hpp"
#include "loadcore/counter/disk.hpp"

namespace loadcore::counter {
namespace {

std::unique_ptr<DurableLikes> open_durable(const ServiceOptions& options, ServiceLog* log) {
  LOADCORE_ASSERT(options.data_directory.empty() == (options.durability == Durability::memory));
  if (options.durability == Durability::memory) return nullptr;
  DurableOptions durable;
  durable.durability = options.durability;
  durable.users_max = options.users_max;
  durable.key_age_ms_max = options.key_age_ms_max;
  durable.keys_max = options.keys_max;
  durable.snapshot_log_bytes = options.snapshot_log_bytes;
  if (log != nullptr) {
    durable.observer = [log](const StoreEvent& event) { log->befell(event); };
  }
  try {
    return std::make_unique<DurableLikes>(open_disk(options.data_directory, DiskUse::serve),
                                          durable);
  } catch (const base::RunError& error) {
    throw base::DataError(error.what());
  }
}

std::unique_ptr<MemoryLikes> make_in_memory(const ServiceOptions& options) {
  if (options.durability != Durability::memory) return nullptr;
  return std::make_unique<MemoryLikes>(LikesOptions{.users_max = options.users_max},
                                       KeyWindowOptions{options.key_age_ms_max, options.keys_max},
                                       system_ms);
}

std::string_view name_of(Durability durability) noexcept {
  switch (durability) {
    case Durability::memory:
      return "memory";
    case Durability::os:
      return "os";
    case Durability::fsync:
      break;
  }
  return "fsync";
}

}  // namespace

class Service::Impl {
 public:
  explicit Impl(const ServiceOptions& options)
      : durability_(name_of(options.durability)),
        log_(options.log == LogDetail::off
                 ? nullptr
                 : std::make_unique<ServiceLog>(options.log, options.log_descriptor)),
        begin_(base::now()),
        durable_(open_durable(options, log_.get())),
        in_memory_(make_in_memory(options)),
        recovery_(base::now() - begin_),
        store_(durable_ ? static_cast<Store&>(*durable_) : *in_memory_),
        batcher_(store_.add_waits() ? std::make_unique<Batcher>(store_, options.waiting_max)
                                    : nullptr),
        server_(options.server, [this](http::ServerThread& thread) { return routes(thread); }) {
    if (options.admin) {
      admin_.emplace(*options.admin, AdminViews{[this] { return metrics_text(figures()); },
                                                [this] { return health_of(store_); }});
    }
    if (log_ && durable_) log_->recovered(store_.stats(), durable_->durable_stats(), recovery_);
    if (log_) log_->started(server_.url(), admin_url(), durability_);
  }

  http::Server& server() noexcept { return server_; }
  std::string admin_url() const { return admin_ ? admin_->url() : std::string(); }

  void stop(base::Duration drain) noexcept {
    server_.stop(drain);
    if (log_) log_->draining(drain);
  }

  bool wait_stopped(base::Duration span) noexcept {
    if (!server_.wait_stopped(span)) return false;
    if (admin_) admin_->stop();
    if (log_) log_->stopped(server_.cut_off());
    return true;
  }

  ServiceStats stats() const {
    ServiceStats stats{
        server_.stats(), store_.stats(), durable_ ? durable_->durable_stats() : DurableStats(), {}};
    for (std::size_t route = 1; route < route_names.size(); ++route) {
      std::uint64_t& count = stats.routes[std::string(route_names[route])];
      for (const auto& [status, answers] : stats.server.answers_of_route[route]) count += answers;
    }
    return stats;
  }

 private:
  std::unique_ptr<http::Handler> routes(http::ServerThread& thread) {
    OutcomeCounts& counts = outcomes_.emplace_back();
    if (!log_) return std::make_unique<Routes>(store_, batcher_.get(), counts, thread);
    return log_->handler(thread, [this, &counts](http::ServerThread& seen) {
      return std::make_unique<Routes>(store_, batcher_.get(), counts, seen);
    });
  }

  Figures figures() const {
    Figures figures;
    figures.server = server_.stats();
    figures.cut_off = server_.cut_off();
    figures.store = store_.stats();
    figures.failed = !store_.failure().empty();
    figures.durability = durability_;
    for (const OutcomeCounts& counts : outcomes_) {
      for (std::size_t i = 0; i < figures.outcomes.size(); ++i) {
        figures.outcomes[i] += counts.of[i].get();
      }
    }
    if (durable_) figures.durable = durable_->durable_stats();
    figures.recovery = recovery_;
    if (batcher_) figures.batcher = &batcher_->stats();
    if (log_) figures.log = log_->stats();
    return figures;
  }

  const std::string_view durability_;
  const std::unique_ptr<ServiceLog> log_;  // null: off
  const base::TimePoint begin_;
  std::unique_ptr<DurableLikes> durable_;  // one of the two
  std::unique_ptr<MemoryLikes> in_memory_;
  const base::Duration recovery_;
  Store& store_;
  std::unique_ptr<Batcher> batcher_;  // where the store waits
  std::deque<OutcomeCounts> outcomes_;
  http::Server server_;         // its threads use the above
  std::optional<Admin> admin_;  // last: its thread uses all others
};

Service::Service(const ServiceOptions& options) : impl_(std::make_unique<Impl>(options)) {}

Service::~Service() = default;

std::uint16_t Service::port() const noexcept { return impl_->server().port(); }

std::string Service::url() const { return impl_->server().url(); }

std::string Service::admin_url() const { return impl_->admin_url(); }

void Service::stop(base::Duration drain) noexcept { impl_->stop(drain); }

bool Service::wait_stopped(base::Duration span) noexcept { return impl_->wait_stopped(span); }

std::uint64_t Service::cut_off() const noexcept { return impl_->server().cut_off(); }

ServiceStats Service::stats() const { return impl_->stats(); }

}  // namespace loadcore::counter
