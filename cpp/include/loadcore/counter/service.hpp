#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "loadcore/base/clock.hpp"
#include "loadcore/counter/durable_likes.hpp"
#include "loadcore/counter/store.hpp"
#include "loadcore/http/server.hpp"

namespace loadcore::counter {

/// Where GET /metrics and GET /v1/healthcheck are answered beside the likes, on a thread of its
/// own.
struct AdminOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: a free one
};

enum class LogDetail : std::uint8_t {
  off,
  events,    ///< start and end, and what goes wrong, each kind up to a rate
  requests,  ///< also each request, up to 1,000 a second and thread
};

struct ServiceOptions {
  http::ServerOptions server;
  std::optional<AdminOptions> admin;
  LogDetail log = LogDetail::off;
  int log_descriptor = 2;  ///< JSON lines; stays the caller's
  /// Where likes are kept; `durability` is memory if and only if this is empty.
  std::string data_directory;
  Durability durability = Durability::memory;
  std::uint64_t users_max = 10'000'000;
  std::int64_t key_age_ms_max = 24LL * 60 * 60 * 1000;  ///< Idempotency-Keys are remembered so long
  std::uint64_t keys_max = 1U << 20;                    ///< and so many
  /// How long the log may grow before a snapshot takes its place; see DurableOptions.
  std::uint64_t snapshot_log_bytes = 64ULL * 1024 * 1024;
  /// Likes that wait for the disk at once; more are answered 503.
  std::size_t waiting_max = 16'384;
};

struct ServiceStats {
  http::ServerStats server;
  StoreStats store;
  DurableStats durable;                         ///< zeros in memory
  std::map<std::string, std::uint64_t> routes;  ///< requests by route, HEAD counted as GET
};

/// The likes service: `POST` and `GET /v1/<userId>/likes`, `GET /v1/healthcheck` and
/// `GET /v1/readiness`, over threads of its own. Several may run in one process.
class Service {
 public:
  /// Recovers what was kept, then listens. Throws base::DataError for a data directory that cannot
  /// be used, base::PlanError (fields admin_host, admin_listener) where the admin listener cannot
  /// be had, otherwise as http::Server does.
  explicit Service(const ServiceOptions& options);
  ~Service();

  std::uint16_t port() const noexcept;
  std::string url() const;
  /// Of the admin listener; empty without one.
  std::string admin_url() const;

  /// These are http::Server's. The admin listener goes on to the end of the drain.
  void stop(base::Duration drain) noexcept;
  bool wait_stopped(base::Duration span) noexcept;
  std::uint64_t cut_off() const noexcept;

  ServiceStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace loadcore::counter
