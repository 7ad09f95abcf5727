#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "loadcore/counter/batcher.hpp"
#include "loadcore/counter/store.hpp"
#include "loadcore/http/server.hpp"

namespace loadcore::counter {

/// Requests by route, of one thread: that thread writes, any reads.
struct alignas(64) RouteCounts {
  std::atomic<std::uint64_t> post_likes{0};
  std::atomic<std::uint64_t> get_likes{0};
  std::atomic<std::uint64_t> healthcheck{0};
  std::atomic<std::uint64_t> readiness{0};
  std::atomic<std::uint64_t> other{0};
};

/// The likes service's routes on one server thread.
class Routes final : public http::Handler {
 public:
  /// `batcher` is for a store that waits, null for one that does not. All of them must outlive it.
  Routes(Store& store, Batcher* batcher, RouteCounts& counts, http::ServerThread& thread);
  ~Routes() override;

  void handle(const http::Request& request, http::Exchange& exchange) override;
  void woken() override;

 private:
  void likes(const http::Request& request, std::string_view segment, http::Exchange& exchange);
  void add_like(const http::Request& request, std::string_view user, http::Exchange& exchange);
  void healthcheck(const http::Request& request, http::Exchange& exchange);
  void fixed(const http::Request& request, int status, std::string_view body,
             http::Exchange& exchange);

  Store& store_;
  Batcher* const batcher_;
  Batcher::Lane* lane_ = nullptr;  // of the batcher, where there is one
  RouteCounts& counts_;
  http::ServerThread& thread_;
};

}  // namespace loadcore::counter
