#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "loadcore/base/tally.hpp"
#include "loadcore/counter/batcher.hpp"
#include "loadcore/counter/store.hpp"
#include "loadcore/http/server.hpp"

namespace loadcore::counter {

/// What requests are counted as; HEAD is counted as GET.
enum class Route : std::uint8_t {
  unread,
  post_likes,
  get_likes,
  healthcheck,
  readiness,
  openapi,
  other,
};
inline constexpr std::array<std::string_view, 7> route_names{
    "unread", "post_likes", "get_likes", "healthcheck", "readiness", "openapi", "other"};
static_assert(route_names.size() <= http::routes_max);

/// Likes by what became of them, of one server thread.
struct alignas(64) OutcomeCounts {
  std::array<base::Tally, outcome_names.size()> of;

  void add(Outcome outcome) noexcept { of[static_cast<std::size_t>(outcome)].add(); }
};

/// The likes service's routes on one server thread.
class Routes final : public http::Handler {
 public:
  /// `batcher` is for a store that waits, null for one that does not. All of them must outlive it.
  Routes(Store& store, Batcher* batcher, OutcomeCounts& counts, http::ServerThread& thread);
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
  OutcomeCounts& counts_;
  http::ServerThread& thread_;
};

}  // namespace loadcore::counter
