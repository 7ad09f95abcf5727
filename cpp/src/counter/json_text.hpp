#pragma once

#include <string>
#include <string_view>

namespace loadcore::counter {

/// Appends `text` as the content of a JSON string, in printable ASCII whatever it holds: control
/// characters and everything beyond ASCII become \u escapes (RFC 8259 section 7), bytes that are
/// not UTF-8 become U+FFFD. So no text of a client's can end a line, or steer a terminal.
void append_json(std::string& to, std::string_view text);

}  // namespace loadcore::counter
