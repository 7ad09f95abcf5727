#include "loadcore/net/endpoint.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <array>
#include <charconv>
#include <cstring>

#include "loadcore/base/assert.hpp"

namespace loadcore::net {
namespace {

/// For the C functions that want a string's end marked; longer than any numeric address.
using Text = std::array<char, 128>;

bool copy(std::string_view from, Text& to) noexcept {
  if (from.size() >= to.size() || from.find('\0') != from.npos) return false;
  *std::copy(from.begin(), from.end(), to.begin()) = '\0';
  return true;
}

/// The number of the interface that `zone` names, by name or by number; 0 where there is none.
std::uint32_t interface_of(std::string_view zone) noexcept {
  Text name;
  if (zone.empty() || !copy(zone, name)) return 0;
  if (const std::uint32_t index = ::if_nametoindex(name.data()); index != 0) return index;
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(zone.data(), zone.data() + zone.size(), number);
  return error == std::errc() && end == zone.data() + zone.size() ? number : 0;
}

std::optional<sockaddr_in6> parse_ipv6(std::string_view address, std::uint16_t port) noexcept {
  const auto percent = address.find('%');
  sockaddr_in6 found{};
  Text text;
  if (!copy(address.substr(0, percent), text)) return std::nullopt;
  if (::inet_pton(AF_INET6, text.data(), &found.sin6_addr) != 1) return std::nullopt;
  if (percent != address.npos) {
    found.sin6_scope_id = interface_of(address.substr(percent + 1));
    if (found.sin6_scope_id == 0) return std::nullopt;
  }
  found.sin6_family = AF_INET6;
  found.sin6_port = htons(port);
  return found;
}

template <typename Address>
Endpoint endpoint(const Address& address, std::size_t size = sizeof(Address)) {
  return Endpoint(reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size));
}

}  // namespace

std::optional<Endpoint> Endpoint::from_address(std::string_view address,
                                               std::uint16_t port) noexcept {
  sockaddr_in ipv4{};
  Text text;
  if (copy(address, text) && ::inet_pton(AF_INET, text.data(), &ipv4.sin_addr) == 1) {
    ipv4.sin_family = AF_INET;
    ipv4.sin_port = htons(port);
    return endpoint(ipv4);
  }
  if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
    address = address.substr(1, address.size() - 2);
  }
  if (const auto ipv6 = parse_ipv6(address, port)) return endpoint(*ipv6);
  return std::nullopt;
}

std::optional<Endpoint> Endpoint::from_path(std::string_view path) noexcept {
  if (path.empty() || path.size() > path_bytes_max || path.find('\0') != path.npos) {
    return std::nullopt;
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return endpoint(address, offsetof(sockaddr_un, sun_path) + path.size() + 1);
}

Endpoint::Endpoint(const sockaddr* address, socklen_t size) : size_(size) {
  LOADCORE_ASSERT(size >= sizeof(sa_family_t) && size <= sizeof storage_);
  std::memcpy(&storage_, address, size);
  LOADCORE_ASSERT((family() == AF_INET && size == sizeof(sockaddr_in)) ||
                  (family() == AF_INET6 && size == sizeof(sockaddr_in6)) ||
                  (family() == AF_UNIX && size <= sizeof(sockaddr_un)));
}

std::uint16_t Endpoint::port() const noexcept {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(storage_).sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(storage_).sin6_port);
  return 0;
}

std::string Endpoint::host() const {
  Text text{};
  if (family() == AF_INET) {
    const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(storage_);
    return ::inet_ntop(AF_INET, &ipv4.sin_addr, text.data(), text.size());
  }
  if (family() == AF_INET6) {
    const auto& ipv6 = reinterpret_cast<const sockaddr_in6&>(storage_);
    std::string host = ::inet_ntop(AF_INET6, &ipv6.sin6_addr, text.data(), text.size());
    if (ipv6.sin6_scope_id == 0) return host;
    const char* name = ::if_indextoname(ipv6.sin6_scope_id, text.data());
    return host + '%' + (name != nullptr ? name : std::to_string(ipv6.sin6_scope_id));
  }
  const auto& local = reinterpret_cast<const sockaddr_un&>(storage_);
  return local.sun_path;  // storage_ is longer than any path, and zero behind it
}

std::string Endpoint::text() const {
  if (family() == AF_UNIX) return host();
  const std::string port_text = std::to_string(port());
  return family() == AF_INET6 ? '[' + host() + "]:" + port_text : host() + ':' + port_text;
}

}  // namespace loadcore::net
