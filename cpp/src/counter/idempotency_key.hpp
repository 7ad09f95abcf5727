#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "loadcore/counter/store.hpp"
#include "loadcore/http/request_reader.hpp"

namespace loadcore::counter {

/// Room for a key whose escapes had to be taken out.
using KeyBuffer = std::array<char, key_bytes_max>;

/// The request's Idempotency-Key (IETF draft-ietf-httpapi-idempotency-key-header): a structured
/// field string ("…", RFC 8941 section 3.3.3) or, as many clients send it, the same text without
/// quotes, which is the same key. Empty where there is no such field; nothing where there are
/// several, or its value is not 1 to key_bytes_max printable ASCII characters, unquoted without
/// blanks, commas, semicolons, quotes and backslashes. `buffer` must last as long as the result.
std::optional<std::string_view> idempotency_key(const http::Request& request, KeyBuffer& buffer);

}  // namespace loadcore::counter
