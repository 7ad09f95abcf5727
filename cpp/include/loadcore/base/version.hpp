#pragma once

#include <string_view>

namespace loadcore::base {

/// The version of the package, such as "0.1.0": what pyproject.toml says.
std::string_view version() noexcept;

}  // namespace loadcore::base
