// libFuzzer on the response reader: whatever the bytes, how they are cut must not change the
// outcome. `make fuzz` runs it; ctest goes through the corpus with any compiler.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "loadcore/http/response_reader.hpp"

using loadcore::http::ResponseReader;

namespace {

/// Status and persistence of every answer, then how the stream ended.
std::vector<int> outcome(const char* data, std::size_t size, bool to_head, std::size_t piece_max) {
  ResponseReader reader;
  std::vector<int> seen;
  reader.start(to_head);
  while (size > 0) {
    const auto [state, taken] = reader.feed(data, std::min(size, piece_max));
    data += taken;
    size -= taken;
    if (state == ResponseReader::State::malformed) {
      seen.push_back(-1);
      return seen;
    }
    if (state == ResponseReader::State::more) continue;
    seen.push_back(reader.keep_alive() ? reader.status() : -reader.status());
    reader.start(to_head);
  }
  seen.push_back(reader.untouched() ? 0 : reader.finish() ? 1 : 2);
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const bool to_head = (data[0] & 1) != 0;
  const std::size_t piece = 1U + data[1];
  const char* const bytes = reinterpret_cast<const char*>(data) + 2;
  const auto whole = outcome(bytes, size - 2, to_head, size);
  if (outcome(bytes, size - 2, to_head, piece) != whole) std::abort();
  if (outcome(bytes, size - 2, to_head, 1) != whole) std::abort();
  return 0;
}
