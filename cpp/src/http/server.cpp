#include "loadcore/http/server.hpp"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "http/address_counts.hpp"
#include "http/server_listener.hpp"
#include "http/server_worker.hpp"
#include "loadcore/base/error.hpp"

namespace loadcore::http {
namespace {

constexpr unsigned threads_max = 1024;

void check(const ServerOptions& options) {
  if (options.host.empty() && !options.listener) {
    throw base::PlanError("host", "is empty; give an address or a name, 0.0.0.0 for every address");
  }
  if (options.threads < 1 || options.threads > threads_max) {
    throw base::PlanError("threads", "must be 1 to " + std::to_string(threads_max));
  }
  if (options.connections_max < 1 || options.connections_per_thread_max < 1 ||
      options.connections_per_address_max < 1) {
    throw base::PlanError("connections", "must be at least 1");
  }
}

/// Threads started in its scope leave signals to the program's own threads.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

std::string url_of(const net::Endpoint& bound) {
  const std::string host = bound.host();
  std::string url = "http://";
  if (host == "0.0.0.0") {
    url += "127.0.0.1:";
  } else if (host == "::") {
    url += "[::1]:";
  } else {
    return url += bound.text();
  }
  return url += std::to_string(bound.port());
}

}  // namespace

class Server::Impl {
 public:
  Impl(const ServerOptions& options, const HandlerFactory& make_handler) : options_(options) {
    check(options_);
    auto listeners = options_.listener
                         ? share_listener(*options_.listener, options_.threads)
                         : open_listeners(options_.host, options_.port, options_.threads);
    const net::Endpoint bound = local_endpoint(listeners.front());
    port_ = bound.port();
    url_ = url_of(bound);
    for (net::Descriptor& listener : listeners) {
      ServerWorker& worker =
          workers_.emplace_back(options_, std::move(listener), open_, by_address_);
      worker.set_handler(make_handler(worker));
    }
    start();
  }

  ~Impl() {
    stop(base::Duration(0));
    for (std::thread& thread : threads_) thread.join();
  }

  void stop(base::Duration drain) noexcept {
    const base::TimePoint now = base::now();
    const bool overflows = drain > base::TimePoint::max() - now;
    const base::TimePoint deadline =
        overflows ? base::TimePoint::max() - base::Duration(1) : now + drain;
    for (ServerWorker& worker : workers_) worker.stop(deadline);
  }

  bool wait_stopped(base::Duration span) noexcept {
    std::unique_lock lock(mutex_);
    return ended_.wait_for(lock, span, [this] { return running_ == 0; });
  }

  std::uint16_t port() const noexcept { return port_; }
  const std::string& url() const noexcept { return url_; }

  std::uint64_t cut_off() const noexcept {
    std::uint64_t sum = 0;
    for (const ServerWorker& worker : workers_) sum += worker.cut_off();
    return sum;
  }

  ServerStats stats() const {
    ServerStats stats;
    for (const ServerWorker& worker : workers_) worker.add_to(stats);
    return stats;
  }

 private:
  void start() {
    const SignalsBlocked blocked;
    running_ = workers_.size();
    try {
      for (ServerWorker& worker : workers_) {
        threads_.emplace_back([this, &worker] {
          worker.run();
          const std::lock_guard lock(mutex_);
          --running_;
          ended_.notify_all();
        });
      }
    } catch (const std::system_error&) {
      stop(base::Duration(0));
      for (std::thread& thread : threads_) thread.join();
      throw base::RunError("cannot start a thread: raise the limit on processes (ulimit -u)");
    }
  }

  const ServerOptions options_;
  std::uint16_t port_ = 0;
  std::string url_;
  std::atomic<std::uint32_t> open_{0};
  AddressCounts by_address_{options_.connections_per_address_max};
  std::deque<ServerWorker> workers_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t running_ = 0;
  std::vector<std::thread> threads_;
};

Server::Server(const ServerOptions& options, const HandlerFactory& make_handler)
    : impl_(std::make_unique<Impl>(options, make_handler)) {}

Server::~Server() = default;

std::uint16_t Server::port() const noexcept { return impl_->port(); }

std::string Server::url() const { return impl_->url(); }

void Server::stop(base::Duration drain) noexcept { impl_->stop(drain); }

bool Server::wait_stopped(base::Duration span) noexcept { return impl_->wait_stopped(span); }

std::uint64_t Server::cut_off() const noexcept { return impl_->cut_off(); }

ServerStats Server::stats() const { return impl_->stats(); }

}  // namespace loadcore::http
