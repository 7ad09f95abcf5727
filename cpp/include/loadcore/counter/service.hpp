#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "loadcore/base/clock.hpp"
#include "loadcore/counter/likes.hpp"
#include "loadcore/http/server.hpp"

namespace loadcore::counter {

struct ServiceOptions {
  http::ServerOptions server;
  LikesOptions likes;
};

struct ServiceStats {
  http::ServerStats server;
  StoreStats store;
  std::map<std::string, std::uint64_t> routes;  ///< requests by route, HEAD counted as GET
};

/// The likes service: `POST` and `GET /v1/<userId>/likes`, `GET /v1/healthcheck` and
/// `GET /v1/readiness`, over threads of its own. Several may run in one process.
class Service {
 public:
  /// Listens; throws as http::Server does.
  explicit Service(const ServiceOptions& options);
  ~Service();

  std::uint16_t port() const noexcept;
  std::string url() const;

  /// These are http::Server's.
  void stop(base::Duration drain) noexcept;
  bool wait_stopped(base::Duration span) noexcept;
  std::uint64_t cut_off() const noexcept;

  ServiceStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace loadcore::counter
