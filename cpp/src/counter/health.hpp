#pragma once

#include <string>

#include "loadcore/counter/store.hpp"

namespace loadcore::counter {

/// What GET /v1/healthcheck says: whether the store can still keep its promise.
struct Health {
  int status;
  std::string body;
};
Health health_of(const Store& store);

}  // namespace loadcore::counter
