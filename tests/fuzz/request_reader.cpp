// libFuzzer on the request reader: whatever the bytes, how they are cut must not change what is
// read, and a buffer of RequestLimits::buffer_bytes() must hold it. The first byte picks the
// limits, the second the size of the pieces.

#include "loadcore/http/request_reader.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

using loadcore::http::Request;
using loadcore::http::RequestLimits;
using loadcore::http::RequestReader;

namespace {

constexpr RequestLimits usual;
constexpr RequestLimits tight{.head_bytes = 120, .target_bytes = 40, .body_bytes = 24};

void require(bool condition) {
  if (!condition) std::abort();
}

bool lies_within(std::string_view part, const std::vector<char>& buffer) {
  return part.empty() || part == "*" || part == "/" ||
         (part.data() >= buffer.data() &&
          part.data() + part.size() <= buffer.data() + buffer.size());
}

/// What a server would see: every request, then the status of a refusal or how much is left over.
std::string outcome(const char* data, std::size_t size, const RequestLimits& limits,
                    std::size_t piece_max) {
  std::string seen;
  std::vector<char> buffer(limits.buffer_bytes());
  std::size_t held = 0;
  RequestReader reader(limits);
  while (size > 0) {
    require(held < buffer.size());
    const std::size_t piece = std::min({size, piece_max, buffer.size() - held});
    std::memcpy(buffer.data() + held, data, piece);
    held += piece;
    data += piece;
    size -= piece;
    while (held > 0) {
      const auto state = reader.read(buffer.data(), held);
      if (state == RequestReader::State::more) break;
      if (state == RequestReader::State::refused) {
        require(!reader.refusal().reason.empty());
        return seen + "refused " + std::to_string(reader.refusal().status);
      }
      const Request request = reader.request(buffer.data());
      require(reader.consumed() <= held);
      require(request.path.starts_with('/') || request.path == "*");
      for (const std::string_view part : {request.method, request.target, request.path,
                                          request.query, request.fields, request.body}) {
        require(lies_within(part, buffer));
        seen.append(part).append("|");
      }
      seen += request.find("content-length").value_or("none");
      seen += request.keep_alive ? "+\n" : "-\n";
      held -= reader.consumed();
      std::memmove(buffer.data(), buffer.data() + reader.consumed(), held);
      reader.start();
    }
  }
  return seen + (held > 0 ? "more" : "");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const RequestLimits& limits = (data[0] & 1) != 0 ? tight : usual;
  const std::size_t piece = 1U + data[1];
  const char* const bytes = reinterpret_cast<const char*>(data) + 2;
  const std::string whole = outcome(bytes, size - 2, limits, size);
  require(outcome(bytes, size - 2, limits, piece) == whole);
  require(outcome(bytes, size - 2, limits, 1) == whole);
  return 0;
}
