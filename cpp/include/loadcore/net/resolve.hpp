#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "loadcore/net/endpoint.hpp"

namespace loadcore::net {

enum class Purpose : std::uint8_t { connect, listen };

/// More addresses of one name than this are left out.
inline constexpr std::size_t endpoints_max = 64;

/// The endpoints of `host`, each once, in the order the system prefers, never none: a numeric
/// address (see Endpoint::from_address), a unix socket's path (it begins with a slash; `port` is
/// unused) or a name. To listen, an empty host means every IPv4 and every IPv6 address.
///
/// Blocks while the system looks the name up, for seconds where a name server is silent; numeric
/// addresses and paths ask nobody. Throws base::RunError where there is no such address.
std::vector<Endpoint> resolve(const std::string& host, std::uint16_t port, Purpose purpose);

}  // namespace loadcore::net
