#include "loadcore/counter/service.hpp"

#include <deque>

#include "counter/memory_likes.hpp"
#include "counter/routes.hpp"
#include "counter/system_clock.hpp"
#include "loadcore/base/assert.hpp"
#include "loadcore/base/error.hpp"
#include "loadcore/counter/batcher.hpp"
#include "loadcore/counter/disk.hpp"

namespace loadcore::counter {

namespace {

std::unique_ptr<DurableLikes> open_durable(const ServiceOptions& options) {
  LOADCORE_ASSERT(options.data_directory.empty() == (options.durability == Durability::memory));
  if (options.durability == Durability::memory) return nullptr;
  DurableOptions durable;
  durable.durability = options.durability;
  durable.users_max = options.users_max;
  durable.key_age_ms_max = options.key_age_ms_max;
  durable.keys_max = options.keys_max;
  durable.snapshot_log_bytes = options.snapshot_log_bytes;
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

}  // namespace

class Service::Impl {
 public:
  explicit Impl(const ServiceOptions& options)
      : durable_(open_durable(options)),
        in_memory_(make_in_memory(options)),
        store_(durable_ ? static_cast<Store&>(*durable_) : *in_memory_),
        batcher_(store_.add_waits() ? std::make_unique<Batcher>(store_, options.waiting_max)
                                    : nullptr),
        server_(options.server,
                [this](http::ServerThread& thread) -> std::unique_ptr<http::Handler> {
                  return std::make_unique<Routes>(store_, batcher_.get(), counts_.emplace_back(),
                                                  thread);
                }) {}

  http::Server& server() noexcept { return server_; }

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
  std::unique_ptr<DurableLikes> durable_;  // one of the two
  std::unique_ptr<MemoryLikes> in_memory_;
  Store& store_;
  std::unique_ptr<Batcher> batcher_;  // where the store waits
  std::deque<OutcomeCounts> counts_;
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
