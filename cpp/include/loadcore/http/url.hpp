#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace loadcore::http {

/// Where a request goes, taken apart once, when the plan is made.
struct Url {
  std::string host;  ///< name or address to connect to, an IPv6 address without brackets
  std::uint16_t port = 80;
  std::string unix_path;  ///< for http+unix://%2Frun%2Fa.sock/path; then host and port are unused
  std::string authority;  ///< the value of the Host field
  std::string target;     ///< origin form (RFC 9112 section 3.2.1): path and query, never empty
};

/// Takes `http://host[:port]/path?query` or `http+unix://percent-encoded-socket/path`, RFC 3986.
/// A fragment is left out; path and query pass as given. An IPv6 zone, `[fe80::1%25eth0]`, goes
/// into host as `fe80::1%eth0` and not into authority, which has the port only where it is not 80.
/// For a unix socket the authority is localhost. Throws base::PlanError for field "url".
Url parse_url(std::string_view text);

}  // namespace loadcore::http
