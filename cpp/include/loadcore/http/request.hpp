#pragma once

#include <string>
#include <utility>
#include <vector>

#include "loadcore/http/url.hpp"

namespace loadcore::http {

struct RequestSpec {
  std::string method = "GET";
  Url url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

/// The bytes of an HTTP/1.1 request, made once and sent many times: Host, User-Agent
/// (`loadcore/<version>`), Accept and Content-Length (where there is a body, or the method is POST,
/// PUT or PATCH) are added unless `spec` names them. Host comes first, the other headers in the
/// order given, and what was added around them.
///
/// Throws base::PlanError for field "method" or "headers" where a name or value is not what RFC
/// 9110 section 5 allows (a newline, above all), where Content-Length is not the body's, where
/// Host, User-Agent or Content-Length is there twice, and for Transfer-Encoding, which is never
/// used.
std::string serialize(const RequestSpec& spec);

}  // namespace loadcore::http
