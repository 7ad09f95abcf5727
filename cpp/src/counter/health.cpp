#include "counter/health.hpp"

#include "counter/json_text.hpp"

namespace loadcore::counter {

Health health_of(const Store& store) {
  const std::string failure = store.failure();
  if (failure.empty()) return {200, R"({"healthy": true})"};
  std::string reason;
  append_json(reason, failure);
  return {503,
          R"({"healthy": false, "reason": ")" + reason + R"(", "error": ")" + reason + R"("})"};
}

}  // namespace loadcore::counter
