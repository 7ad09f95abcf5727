#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "http/address_counts.hpp"
#include "loadcore/base/clock.hpp"
#include "loadcore/http/request_reader.hpp"
#include "loadcore/net/descriptor.hpp"

namespace loadcore::http {

/// What a connection's deadline is for. It has one at a time, in the list of that phase.
enum class Phase : std::uint8_t {
  idle,       ///< the next request's first byte
  head,       ///< the end of its head
  body,       ///< the end of its body
  sending,    ///< the client taking what has been answered
  lingering,  ///< the client closing after an answer that closes
  none,       ///< the handler has deferred its answer
};
inline constexpr std::size_t phases = static_cast<std::size_t>(Phase::none);

/// One client. Owned by its server thread, kept and used again for another client when closed.
struct ServerConnection {
  explicit ServerConnection(const RequestLimits& limits) : reader(limits) {}

  net::Descriptor socket;
  AddressCounts::Client client = 0;
  RequestReader reader;
  char* buffer = small.data();
  std::size_t capacity = small.size();
  std::size_t begin = 0;  ///< of the bytes in the buffer that no request has taken
  std::size_t end = 0;
  std::unique_ptr<char[]> large;  ///< leased while a request does not fit into `small`
  std::string unsent;             ///< what the kernel would not take yet
  std::uint32_t turn = 0;         ///< counts deferred answers and clients, for Ticket
  base::TimePoint handling{};     ///< when the request that is being answered had been read
  Phase phase = Phase::none;
  std::uint8_t route = 0;  ///< of that request
  bool readable = false;   ///< the kernel may have more
  bool hung_up = false;    ///< the client sends nothing after that
  bool deferred = false;   ///< the handler owes an answer
  bool resuming = false;   ///< in the list of those to go on with
  bool closing = false;    ///< no request after this one
  bool continued = false;  ///< 100 Continue has been said
  bool to_head = false;    ///< of the request that is being answered
  bool keep_alive = false;
  bool is_http_1_0 = false;
  std::array<char, 2048> small;

  bool may_read() const noexcept {
    return readable && !deferred && unsent.empty() && phase != Phase::lingering;
  }
};

}  // namespace loadcore::http
