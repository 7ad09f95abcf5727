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

/// The bytes of an HTTP/1.1 request, made once and sent many times: Host, User-Agent, Accept and
/// Content-Length (where there is a body, or the method is one that expects one) are added unless
/// `spec` names them. Throws base::PlanError for field "method" or "headers" where a name or value
/// is not what RFC 9110 section 5 allows (a newline, above all), or where Content-Length or
/// Transfer-Encoding contradicts the body.
std::string serialize(const RequestSpec& spec);

}  // namespace loadcore::http
