#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "loadcore/net/descriptor.hpp"
#include "loadcore/net/endpoint.hpp"

namespace loadcore::http {

/// `count` sockets that listen on the same address and share its connections, non-blocking, closed
/// on exec. Throws base::RunError: the address is in use, say, or not this machine's.
std::vector<net::Descriptor> open_listeners(const std::string& host, std::uint16_t port,
                                            unsigned count);

/// `count` of the caller's own socket, which listens already. Throws base::PlanError (field
/// listener) where it is no TCP socket that listens.
std::vector<net::Descriptor> share_listener(int socket, unsigned count);

/// The address that a socket is bound to.
net::Endpoint local_endpoint(const net::Descriptor& socket);

}  // namespace loadcore::http
