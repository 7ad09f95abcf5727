#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace loadcore::net {

/// The address of one stream socket: IPv4 or IPv6 with a port, or the path of a unix socket.
/// A plain value; making one asks nobody.
class Endpoint {
 public:
  /// The longest path that a unix socket address holds, in bytes.
  static constexpr std::size_t path_bytes_max = sizeof(sockaddr_un::sun_path) - 1;

  /// From a numeric address: `127.0.0.1`, `::1`, `fe80::1%eth0`, an IPv6 one in brackets or not.
  /// Nothing where `address` is not one (a name, say), or names an interface that is not here.
  static std::optional<Endpoint> from_address(std::string_view address,
                                              std::uint16_t port) noexcept;

  /// Nothing where `path` is empty, holds a NUL or is longer than path_bytes_max.
  static std::optional<Endpoint> from_path(std::string_view path) noexcept;

  /// From what the socket calls fill in. `address` is AF_INET, AF_INET6 or AF_UNIX and `size` bytes
  /// long; anything else is a programmer's mistake.
  Endpoint(const sockaddr* address, socklen_t size);

  /// As the socket calls take them; valid as long as this endpoint is.
  const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const noexcept { return size_; }

  /// AF_INET, AF_INET6 or AF_UNIX.
  int family() const noexcept { return storage_.ss_family; }
  /// 0 for a unix socket.
  std::uint16_t port() const noexcept;
  /// The address without port or brackets, or the path (empty for an unnamed unix socket).
  std::string host() const;
  /// `127.0.0.1:80`, `[::1]:80` or `/run/a.sock`.
  std::string text() const;

  friend bool operator==(const Endpoint& a, const Endpoint& b) { return a.text() == b.text(); }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

}  // namespace loadcore::net
