#include "http/address_counts.hpp"

#include <netinet/in.h>

#include <cstring>

#include "loadcore/base/assert.hpp"
#include "loadcore/base/random.hpp"

namespace loadcore::http {
namespace {

/// No IPv6 network begins with ffff.
AddressCounts::Client client_of_ipv4(const void* address) noexcept {
  std::uint32_t bits = 0;
  std::memcpy(&bits, address, sizeof bits);
  return 0xffff'0000'0000'0000 | ntohl(bits);
}

}  // namespace

AddressCounts::AddressCounts(std::uint32_t connections_max)
    : connections_max_(connections_max), open_(0, Hash{base::random_number()}) {}

std::size_t AddressCounts::Hash::operator()(Client client) const noexcept {
  // SplitMix64's finalizer: every bit of the client and of the secret moves all of the result's.
  std::uint64_t bits = client ^ secret;
  bits = (bits ^ (bits >> 30)) * 0xbf58'476d'1ce4'e5b9;
  bits = (bits ^ (bits >> 27)) * 0x94d0'49bb'1331'11eb;
  return bits ^ (bits >> 31);
}

AddressCounts::Client AddressCounts::client_of(const sockaddr_storage& address) noexcept {
  if (address.ss_family == AF_INET) {
    return client_of_ipv4(&reinterpret_cast<const sockaddr_in&>(address).sin_addr);
  }
  if (address.ss_family != AF_INET6) return 0;
  const in6_addr& ipv6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&ipv6)) return client_of_ipv4(ipv6.s6_addr + 12);
  Client network = 0;
  for (int byte = 0; byte < 8; ++byte) network = network << 8 | ipv6.s6_addr[byte];
  return network;
}

bool AddressCounts::add(Client client) {
  const std::lock_guard lock(mutex_);
  std::uint32_t& open = open_[client];
  if (open == connections_max_) return false;
  ++open;
  return true;
}

void AddressCounts::remove(Client client) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(client);
  LOADCORE_ASSERT(found != open_.end());
  if (--found->second == 0) open_.erase(found);
}

}  // namespace loadcore::http
