#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace loadcore::http::test {

/// What a server may send on one connection, and what a reader of it is to say: one word for each
/// answer, its status with + where the connection may be used again and with - where not, then how
/// the stream ended: `idle` between answers, `closed` where that ended the last answer, `cut`
/// inside an answer, or `malformed`.
struct Stream {
  std::string bytes;
  std::string_view says;
  bool to_head = false;
  /// Why Beast's parser says something else; null where it agrees.
  const char* beast_differs = nullptr;
};

const std::vector<Stream>& streams();

}  // namespace loadcore::http::test
