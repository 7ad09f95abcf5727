#include "http/server_listener.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#include "loadcore/base/assert.hpp"
#include "loadcore/base/error.hpp"
#include "loadcore/http/server.hpp"
#include "loadcore/net/resolve.hpp"

namespace loadcore::http {
namespace {

constexpr int backlog = 4096;  // the kernel caps it at net.core.somaxconn

[[noreturn]] void fail(const net::Endpoint& endpoint, int error) {
  const char* remedy = "";
  switch (error) {
    case EADDRINUSE:
      remedy = ": stop what listens there, or choose another port (0 picks a free one)";
      break;
    case EACCES:
      remedy = ": choose a port above 1023";
      break;
    case EADDRNOTAVAIL:
      remedy = ": choose an address of this machine, or 0.0.0.0 for all";
      break;
    case EMFILE:
    case ENFILE:
      remedy = ": raise the limit on open files (ulimit -n)";
      break;
    default:
      break;
  }
  throw base::RunError("cannot listen on " + endpoint.text() + " (" +
                       std::generic_category().message(error) + ")" + remedy);
}

bool set_option(const net::Descriptor& socket, int level, int name, int value) noexcept {
  return ::setsockopt(socket.number(), level, name, &value, sizeof value) == 0;
}

net::Descriptor bind_to(const net::Endpoint& endpoint, bool shared_before) {
  net::Descriptor socket(
      ::socket(endpoint.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) fail(endpoint, errno);
  if (!set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1)) fail(endpoint, errno);
  if (endpoint.family() == AF_INET6 && !set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 0)) {
    fail(endpoint, errno);
  }
  // Accepted connections inherit it, which saves a call for each.
  if (!set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1)) fail(endpoint, errno);
  if (shared_before && !set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1)) fail(endpoint, errno);
  if (::bind(socket.number(), endpoint.data(), endpoint.size()) != 0) fail(endpoint, errno);
  return socket;
}

}  // namespace

net::Endpoint local_endpoint(const net::Descriptor& socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  const int outcome = ::getsockname(socket.number(), address, &size);
  LOADCORE_ASSERT(outcome == 0);
  return {address, size};
}

std::vector<net::Descriptor> open_listeners(const std::string& host, std::uint16_t port,
                                            unsigned count) {
  const net::Endpoint endpoint = net::resolve(host, port, net::Purpose::listen).front();
  std::vector<net::Descriptor> listeners;
  // The first is bound without SO_REUSEPORT: with it, a port that another program of the same user
  // shares would not count as in use, and each would get some of the other's connections.
  listeners.push_back(bind_to(endpoint, false));
  const net::Endpoint bound = local_endpoint(listeners.front());
  if (count > 1 && !set_option(listeners.front(), SOL_SOCKET, SO_REUSEPORT, 1)) fail(bound, errno);
  while (listeners.size() < count) listeners.push_back(bind_to(bound, true));
  for (const net::Descriptor& listener : listeners) {
    if (::listen(listener.number(), backlog) != 0) fail(bound, errno);
  }
  return listeners;
}

std::vector<net::Descriptor> share_listener(int socket, unsigned count) {
  const auto option = [socket](int level, int name) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(socket, level, name, &value, &size) == 0 ? value : -1;
  };
  const int domain = option(SOL_SOCKET, SO_DOMAIN);
  if ((domain != AF_INET && domain != AF_INET6) || option(SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
      option(SOL_SOCKET, SO_ACCEPTCONN) != 1) {
    throw base::PlanError("listener", "is no TCP socket that listens: pass one (ListenStream=)");
  }
  std::vector<net::Descriptor> listeners;
  while (listeners.size() < count) {
    listeners.emplace_back(::fcntl(socket, F_DUPFD_CLOEXEC, 0));
    if (!listeners.back()) {
      throw base::RunError("out of file descriptors: raise the limit on open files (ulimit -n)");
    }
  }
  const net::Descriptor& listener = listeners.front();
  const int flags = ::fcntl(listener.number(), F_GETFL);
  if (flags < 0 || ::fcntl(listener.number(), F_SETFL, flags | O_NONBLOCK) != 0 ||
      !set_option(listener, IPPROTO_TCP, TCP_NODELAY, 1)) {
    fail(local_endpoint(listener), errno);
  }
  return listeners;
}

std::string peer_of(int socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  if (::getpeername(socket, address, &size) != 0) return {};
  return net::Endpoint(address, size).text();
}

}  // namespace loadcore::http
