// What reading one usual answer costs. Alone it prints nanoseconds an answer; for user-space
// instructions, which repeat exactly:
//
//   valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no
//     --toggle-collect=read_answers build/release/tests/bench_response_reader
//
// whose "Collected" line divided by the number of answers printed is instructions an answer.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "loadcore/base/clock.hpp"
#include "loadcore/http/response_reader.hpp"

using loadcore::http::ResponseReader;

namespace {

constexpr std::string_view answer =
    "HTTP/1.1 200 OK\r\n"
    "Server: nginx/1.22.1\r\n"
    "Date: Sat, 21 Nov 2026 07:45:00 GMT\r\n"
    "Content-Type: text/plain\r\n"
    "Content-Length: 14\r\n"
    "Connection: keep-alive\r\n"
    "\r\n"
    "Hello, world!\n";

}  // namespace

extern "C" [[gnu::noinline]] bool read_answers(ResponseReader& reader, int answers) {
  for (int i = 0; i < answers; ++i) {
    reader.start(false);
    const auto result = reader.feed(answer.data(), answer.size());
    if (result.state != ResponseReader::State::complete || !reader.keep_alive()) return false;
  }
  return true;
}

int main() {
  constexpr int answers = 100'000;
  ResponseReader reader;
  const auto start = loadcore::base::now();
  if (!read_answers(reader, answers)) return EXIT_FAILURE;
  const auto span = loadcore::base::now() - start;
  std::printf("%d answers of %zu bytes, %.1f ns each\n", answers, answer.size(),
              static_cast<double>(span.count()) / answers);
}
