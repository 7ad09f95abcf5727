#pragma once

#include <string_view>

namespace loadcore::counter {

/// service/openapi.json: what the service takes and answers, as OpenAPI 3.1.
extern const std::string_view openapi_document;

}  // namespace loadcore::counter
