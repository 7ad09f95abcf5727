#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace loadcore::http {

/// How many connections each client address has open, so that no client takes them all. A client
/// is an IPv4 address or an IPv6 /64 network, which is the least that a client of IPv6 is given.
/// Any thread may call; holds an entry for each client with a connection open, and no other.
class AddressCounts {
 public:
  using Client = std::uint64_t;

  /// `connections_max` is for each client, 1 or more.
  explicit AddressCounts(std::uint32_t connections_max);

  /// Of AF_INET or AF_INET6; all others are one client.
  static Client client_of(const sockaddr_storage& address) noexcept;

  /// Counts one more connection, unless the client has as many as it may: then false.
  bool add(Client client);
  /// For each add() that was true.
  void remove(Client client) noexcept;

 private:
  /// Secret, so that nobody chooses networks whose entries lie in one bucket.
  struct Hash {
    std::uint64_t secret;
    std::size_t operator()(Client client) const noexcept;
  };

  const std::uint32_t connections_max_;
  std::mutex mutex_;
  std::unordered_map<Client, std::uint32_t, Hash> open_;
};

}  // namespace loadcore::http
