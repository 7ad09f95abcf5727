#include "counter/log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "counter/json_text.hpp"

using loadcore::counter::append_json;
using loadcore::counter::Log;
using loadcore::counter::LogEvent;
using loadcore::counter::LogFields;
using loadcore::counter::LogRing;

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t some_time_ns = 1'795'250'209 * second_ns + 123'456'789;

class Pipe {
 public:
  Pipe() { BOOST_REQUIRE(::pipe2(ends_.data(), O_CLOEXEC) == 0); }
  ~Pipe() {
    close_reader();
    if (ends_[1] >= 0) ::close(ends_[1]);
  }
  int reader() const { return ends_[0]; }
  int writer() const { return ends_[1]; }
  void close_reader() {
    if (ends_[0] >= 0) ::close(ends_[0]);
    ends_[0] = -1;
  }
  void close_writer() {
    ::close(ends_[1]);
    ends_[1] = -1;
  }

  /// All lines, up to when nobody writes any more.
  std::vector<std::string> lines() {
    std::vector<std::string> lines;
    std::string line;
    char byte;
    while (::read(ends_[0], &byte, 1) == 1) {
      if (byte == '\n') {
        lines.push_back(std::move(line));
        line.clear();
      } else {
        line += byte;
      }
    }
    BOOST_TEST(line == "");
    return lines;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

Log::Options to(const Pipe& pipe) {
  Log::Options options;
  options.descriptor = pipe.writer();
  options.unix_ns = [] { return some_time_ns; };
  return options;
}

std::string json(std::string_view text) {
  std::string out;
  append_json(out, text);
  return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(json_log)

BOOST_AUTO_TEST_CASE(text_is_printable_ascii_whatever_it_holds) {
  BOOST_TEST(json("plain /text?") == "plain /text?");
  BOOST_TEST(json("a\"b\\c") == R"(a\"b\\c)");
  BOOST_TEST(json("a\r\nb\t\x1b[31m\x7f") == R"(a\u000d\u000ab\u0009\u001b[31m\u007f)");
  BOOST_TEST(json(std::string_view("\0", 1)) == R"(\u0000)");
  BOOST_TEST(json("\xC3\xA9\xE2\x80\xA8\xF0\x9F\x91\x8D") == R"(\u00e9\u2028\ud83d\udc4d)");
  BOOST_TEST(json("\xC2\x9B") == R"(\u009b)");  // a terminal's control character
}

BOOST_AUTO_TEST_CASE(what_is_not_utf_8_is_replaced) {
  BOOST_TEST(json("\xFF") == R"(\ufffd)");
  BOOST_TEST(json("\xC0\x8A") == R"(\ufffd\ufffd)");                      // an overlong line end
  BOOST_TEST(json("\xE0\x80\x8A") == R"(\ufffd\ufffd\ufffd)");            // likewise
  BOOST_TEST(json("\xED\xA0\x80") == R"(\ufffd\ufffd\ufffd)");            // a lone surrogate
  BOOST_TEST(json("\xF4\x90\x80\x80") == R"(\ufffd\ufffd\ufffd\ufffd)");  // beyond U+10FFFF
  BOOST_TEST(json("\xE2\x80") == R"(\ufffd\ufffd)");                      // cut off
  BOOST_TEST(json("\xE2\"x") == R"(\ufffd\"x)");  // what follows is not swallowed
}

BOOST_AUTO_TEST_CASE(a_line_is_one_object) {
  Pipe pipe;
  {
    Log log(to(pipe));
    auto& source = log.open_source();
    source.write(LogEvent::request_refused, [](LogFields& fields) {
      fields.text("reason", "bad \"line\"\n{}").number("status", std::uint64_t{400});
      fields.number("duration_s", 0.25);
    });
    source.write(LogEvent::draining);
  }
  pipe.close_writer();
  const auto lines = pipe.lines();
  BOOST_REQUIRE(lines.size() == 2);
  BOOST_TEST(lines[0] ==
             R"({"ts": "2026-11-21T08:36:49.123456Z", "level": "warning", )"
             R"("event": "request_refused", "reason": "bad \"line\"\u000a{}", "status": 400, )"
             R"("duration_s": 0.25})");
  BOOST_TEST(lines[1] ==
             R"({"ts": "2026-11-21T08:36:49.123456Z", "level": "info", "event": "draining"})");
}

BOOST_AUTO_TEST_CASE(a_long_text_is_cut) {
  Pipe pipe;
  {
    Log log(to(pipe));
    log.open_source().write(LogEvent::request, [](LogFields& fields) {
      fields.text("path", std::string(100'000, 'x'));
    });
  }
  pipe.close_writer();
  const auto lines = pipe.lines();
  BOOST_REQUIRE(lines.size() == 1);
  BOOST_TEST(lines[0].ends_with("\"" + std::string(LogFields::text_bytes_max, 'x') + "\"}"));
}

BOOST_AUTO_TEST_CASE(beyond_a_kinds_rate_lines_are_only_counted) {
  Pipe pipe;
  std::atomic<std::int64_t> now_ns{some_time_ns};
  auto options = to(pipe);
  options.unix_ns = [&now_ns] { return now_ns.load(); };
  int filled = 0;
  {
    Log log(options);
    auto& source = log.open_source();
    const auto refuse = [&] {
      source.write(LogEvent::request_refused, [&filled](LogFields&) { ++filled; });
    };
    for (int i = 0; i < 1000; ++i) refuse();
    source.write(LogEvent::draining);  // another kind has its own rate
    BOOST_TEST(filled == 10);
    BOOST_TEST(log.stats().suppressed == 990U);
    now_ns += second_ns;
    for (int i = 0; i < 3; ++i) refuse();
    BOOST_TEST(filled == 13);
  }
  pipe.close_writer();
  const auto lines = pipe.lines();
  int refused = 0;
  int suppressed = 0;
  for (const std::string& line : lines) {
    if (line.find(R"("event": "request_refused")") != std::string::npos) ++refused;
    if (line.find(R"("event": "suppressed")") == std::string::npos) continue;
    const std::string end = R"("of": "request_refused", "count": )";
    suppressed += std::stoi(line.substr(line.find(end) + end.size()));
  }
  BOOST_TEST(refused == 13);
  BOOST_TEST(suppressed == 990);
}

BOOST_AUTO_TEST_CASE(suppressed_lines_are_reported_while_it_goes_on) {
  Pipe pipe;
  Log log(to(pipe));
  auto& source = log.open_source();
  for (int i = 0; i < 11; ++i) source.write(LogEvent::request_refused);
  std::string got;
  while (got.find("suppressed") == std::string::npos) {
    char bytes[4096];
    const ssize_t count = ::read(pipe.reader(), bytes, sizeof bytes);
    BOOST_REQUIRE(count > 0);
    got.append(bytes, static_cast<std::size_t>(count));
  }
  BOOST_TEST(got.find(R"("of": "request_refused", "count": 1})") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(nobody_waits_for_a_reader_that_does_not_read) {
  Pipe pipe;
  const auto begin = std::chrono::steady_clock::now();
  std::int64_t now_ns = 0;
  {
    auto options = to(pipe);
    options.ring_bytes = 4096;
    options.unix_ns = [&now_ns] { return now_ns; };
    Log log(options);
    auto& source = log.open_source();
    for (int i = 0; i < 100'000; ++i) {
      source.write(LogEvent::request,
                   [](LogFields& fields) { fields.text("path", std::string(200, 'x')); });
    }
    BOOST_TEST(log.stats().suppressed == 99'000U);
    BOOST_TEST(log.stats().dropped > 0U);
  }
  // The destructor's patience is a second.
  BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds(5)));
}

BOOST_AUTO_TEST_CASE(a_reader_that_is_gone_costs_lines_only) {
  Pipe pipe;
  pipe.close_reader();
  Log log(to(pipe));
  auto& source = log.open_source();
  source.write(LogEvent::draining);
  while (log.stats().dropped < 1) std::this_thread::yield();
  BOOST_TEST(log.stats().lines == 0U);
}

BOOST_AUTO_TEST_CASE(every_line_of_every_thread_arrives_once) {
  Pipe pipe;
  constexpr int threads = 4;
  constexpr int lines_each = 500;
  std::optional<Log> log(std::in_place, to(pipe));
  std::vector<std::thread> writers;
  for (int t = 0; t < threads; ++t) {
    writers.emplace_back([t, &source = log->open_source()] {
      for (int i = 0; i < lines_each; ++i) {
        source.write(LogEvent::request, [t, i](LogFields& fields) {
          fields.number("thread", static_cast<std::uint64_t>(t));
          fields.number("line", static_cast<std::uint64_t>(i));
        });
      }
    });
  }
  std::thread ender([&] {
    for (std::thread& writer : writers) writer.join();
    log.reset();
    pipe.close_writer();
  });
  const auto lines = pipe.lines();
  ender.join();
  BOOST_TEST(lines.size() == threads * lines_each);
  std::array<int, threads> next{};
  for (const std::string& line : lines) {
    const std::string name = R"("thread": )";
    const auto thread =
        static_cast<std::size_t>(std::stoi(line.substr(line.find(name) + name.size())));
    BOOST_TEST(line.ends_with(R"("line": )" + std::to_string(next.at(thread)++) + "}"));
  }
}

BOOST_AUTO_TEST_CASE(a_ring_gives_back_what_was_put_in_however_it_wraps) {
  LogRing ring(64);
  BOOST_TEST(!ring.push(0, 0, std::string(64, 'x')));
  LogRing::Head head{};
  std::string text;
  for (int i = 0; i < 500; ++i) {
    const std::string put(static_cast<std::size_t>(i % 40), static_cast<char>('a' + i % 26));
    BOOST_TEST(ring.empty());
    BOOST_REQUIRE(ring.push(i, static_cast<std::uint8_t>(i % 7), put));
    BOOST_REQUIRE(ring.pop(head, text));
    BOOST_TEST(text == put);
    BOOST_TEST(head.unix_ns == i);
    BOOST_TEST(head.event == i % 7);
  }
  BOOST_TEST(!ring.pop(head, text));
}

BOOST_AUTO_TEST_SUITE_END()
