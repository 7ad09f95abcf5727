#include "loadcore/net/resolve.hpp"

#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include "loadcore/base/error.hpp"

namespace loadcore::net {
namespace {

using Found = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

[[noreturn]] void fail(const std::string& host, const std::string& reason) {
  throw base::RunError("no address for \"" + host + "\" (" + reason +
                       "); check its spelling, or give a numeric address");
}

Found look_up(const std::string& host, std::uint16_t port, Purpose purpose) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (purpose == Purpose::listen ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                  std::to_string(port).c_str(), &hints, &found);
  if (error == EAI_SYSTEM) fail(host, std::generic_category().message(errno));
  if (error != 0) fail(host, ::gai_strerror(error));
  return {found, &::freeaddrinfo};
}

}  // namespace

std::vector<Endpoint> resolve(const std::string& host, std::uint16_t port, Purpose purpose) {
  if (host.starts_with('/')) {
    const auto local = Endpoint::from_path(host);
    if (!local) {
      fail(host,
           "a socket's path has " + std::to_string(Endpoint::path_bytes_max) + " bytes at most");
    }
    return {*local};
  }
  if (const auto numeric = Endpoint::from_address(host, port)) return {*numeric};
  if (host.empty() && purpose == Purpose::connect) fail(host, "the name is empty");
  if (host.find('\0') != host.npos) fail(host.c_str(), "there is a NUL byte in it");

  std::vector<Endpoint> endpoints;
  const Found found = look_up(host, port, purpose);
  for (const addrinfo* entry = found.get(); entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    const Endpoint endpoint(entry->ai_addr, entry->ai_addrlen);
    if (std::ranges::find(endpoints, endpoint) != endpoints.end()) continue;
    if (endpoints.size() == endpoints_max) break;
    endpoints.push_back(endpoint);
  }
  if (endpoints.empty()) fail(host, "it has neither IPv4 nor IPv6 addresses");
  return endpoints;
}

}  // namespace loadcore::net
