#include "loadcore/base/version.hpp"

namespace loadcore::base {

std::string_view version() noexcept { return LOADCORE_VERSION; }

}  // namespace loadcore::base
