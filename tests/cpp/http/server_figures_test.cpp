// What a server counts, times and tells its handlers of, and a listener that is handed over.
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "loadcore/base/error.hpp"
#include "loadcore/http/server.hpp"
#include "loadcore/net/descriptor.hpp"
#include "server_client.hpp"

using namespace std::chrono_literals;
using loadcore::base::PlanError;
using loadcore::base::SpanCounts;
using loadcore::http::Exchange;
using loadcore::http::Handler;
using loadcore::http::Notice;
using loadcore::http::Request;
using loadcore::http::Server;
using loadcore::http::ServerOptions;
using loadcore::http::ServerThread;
using loadcore::http::Ticket;
using Kind = Notice::Kind;

namespace {

/// What the handlers of a server were told, from any thread.
class Told {
 public:
  struct One {
    Kind kind;
    int status;
    std::string text;
    std::string peer;
  };

  void add(const Notice& notice) {
    const std::scoped_lock lock(mutex_);
    all_.push_back({notice.kind, notice.status, std::string(notice.text),
                    notice.socket < 0 ? "" : loadcore::http::peer_of(notice.socket)});
  }
  std::vector<One> all() const {
    const std::scoped_lock lock(mutex_);
    return all_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<One> all_;
};

/// Counts under the path's first digit. /1 answers at once, /2 after 20 ms, /3 throws, /4 defers
/// and then throws, /5 says 503.
class Numbered final : public Handler {
 public:
  Numbered(ServerThread& thread, Told& told) : thread_(thread), told_(told) {}

  void handle(const Request& request, Exchange& exchange) override {
    const char digit = request.path.size() > 1 ? request.path[1] : '0';
    exchange.count_as(static_cast<std::uint8_t>(digit - '0'));
    switch (digit) {
      case '2':
        deferred_ = exchange.defer();
        thread_.wake();
        break;
      case '3':
        throw std::runtime_error("a handler's mistake");
      case '4':
        exchange.defer();
        throw 4;
      case '5':
        exchange.answer({.status = 503, .body = "not now"});
        break;
      default:
        exchange.answer({.body = "."});
    }
  }

  void woken() override {
    if (!deferred_) return;
    std::this_thread::sleep_for(20ms);
    thread_.answer(*deferred_, {.body = "."});
    deferred_.reset();
  }

  void notice(const Notice& notice) override { told_.add(notice); }

 private:
  ServerThread& thread_;
  Told& told_;
  std::optional<Ticket> deferred_;
};

loadcore::http::HandlerFactory numbered(Told& told) {
  return [&told](ServerThread& thread) { return std::make_unique<Numbered>(thread, told); };
}

std::string ask(const Server& server, const std::string& path) {
  RawClient client(server.port());
  client.send("GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  return client.receive_all();
}

std::uint64_t count_of(const SpanCounts& spans) {
  return std::accumulate(spans.counts.begin(), spans.counts.end(), std::uint64_t{0});
}

loadcore::net::Descriptor listening_socket(int type = SOCK_STREAM) {
  loadcore::net::Descriptor socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  BOOST_REQUIRE(
      ::bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  if (type == SOCK_STREAM) BOOST_REQUIRE(::listen(socket.number(), 16) == 0);
  return socket;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(server_figures)

BOOST_AUTO_TEST_CASE(requests_are_counted_and_timed_by_route) {
  Told told;
  Server server({}, numbered(told));
  {
    RawClient client(server.port());
    std::string pipelined;
    for (int i = 0; i < 10; ++i) pipelined += "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(pipelined + "GET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /1 HTTP/1.1\r\nHost: a\r\n" +
                "Connection: close\r\n\r\n");
    client.receive_all();
  }
  BOOST_TEST(status_of(ask(server, "/5")) == 503);
  RawClient nonsense(server.port());
  nonsense.send("nonsense\r\n\r\n");
  BOOST_TEST(status_of(nonsense.receive_all()) == 400);

  const auto stats = server.stats();
  BOOST_TEST(stats.answers_of_route[0].at(400) == 1U);
  BOOST_TEST(stats.answers_of_route[1].at(200) == 11U);
  BOOST_TEST(stats.answers_of_route[2].at(200) == 1U);
  BOOST_TEST(stats.answers_of_route[5].at(503) == 1U);
  BOOST_TEST(stats.answers.at(200) == 12U);
  BOOST_TEST(count_of(stats.handling[0]) == 0U);  // it was no request
  BOOST_TEST(count_of(stats.handling[1]) == 11U);
  BOOST_TEST(count_of(stats.handling[2]) == 1U);
  BOOST_TEST(count_of(stats.handling[5]) == 1U);
  BOOST_TEST((stats.handling[2].sum >= 20ms));
  // The requests before and behind the one that had to wait did not.
  BOOST_TEST((stats.handling[1].sum < 20ms * 11));
}

BOOST_AUTO_TEST_CASE(what_goes_wrong_is_told_of) {
  Told told;
  ServerOptions options;
  options.head_timeout = 50ms;
  Server server(options, numbered(told));
  BOOST_TEST(status_of(ask(server, "/3")) == 500);
  BOOST_TEST(status_of(ask(server, "/4")) == 500);
  BOOST_TEST(status_of(ask(server, "/5")) == 503);
  RawClient nonsense(server.port());
  nonsense.send("nonsense\r\n\r\n");
  nonsense.receive_all();
  RawClient slow(server.port());
  slow.send("GET /1");
  BOOST_TEST(status_of(slow.receive_all()) == 408);

  const auto all = told.all();
  BOOST_REQUIRE(all.size() == 5U);
  for (const auto& one : all) BOOST_TEST(one.peer.starts_with("127.0.0.1:"));
  BOOST_TEST((all[0].kind == Kind::server_error && all[0].status == 500));
  BOOST_TEST(all[0].text == "a handler's mistake");
  BOOST_TEST((all[1].kind == Kind::server_error && all[1].status == 500));
  BOOST_TEST((all[2].kind == Kind::server_error && all[2].status == 503));
  BOOST_TEST(all[2].text == "not now");
  BOOST_TEST((all[3].kind == Kind::refused && all[3].status == 400));
  BOOST_TEST(!all[3].text.empty());
  BOOST_TEST((all[4].kind == Kind::timed_out));
  const auto stats = server.stats();
  BOOST_TEST(stats.answers_of_route[3].at(500) == 1U);
  BOOST_TEST(stats.answers_of_route[4].at(500) == 1U);
  BOOST_TEST(count_of(stats.handling[4]) == 1U);
}

BOOST_AUTO_TEST_CASE(connections_beyond_a_cap_are_told_of) {
  Told told;
  ServerOptions options;
  options.connections_max = 1;
  Server server(options, numbered(told));
  RawClient first(server.port());
  first.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
  first.receive_until("\r\n\r\n.");
  RawClient second(server.port());
  BOOST_TEST(status_of(second.receive_all()) == 503);
  const auto all = told.all();
  BOOST_REQUIRE(all.size() == 1U);
  BOOST_TEST((all[0].kind == Kind::turned_away && all[0].status == 503));
  BOOST_TEST(all[0].peer.starts_with("127.0.0.1:"));
}

BOOST_AUTO_TEST_CASE(a_listener_is_shared_by_the_threads_and_stays_the_callers) {
  const auto socket = listening_socket();
  Told told;
  std::uint16_t port = 0;
  for (const unsigned threads : {1U, 3U}) {
    ServerOptions options;
    options.listener = socket.number();
    options.threads = threads;
    Server server(options, numbered(told));
    port = server.port();
    BOOST_TEST(server.url() == "http://127.0.0.1:" + std::to_string(port));
    for (int i = 0; i < 20; ++i) BOOST_TEST(status_of(ask(server, "/1")) == 200);
    server.stop(1s);
    BOOST_TEST(server.wait_stopped(5s));
  }
  const RawClient still(port);  // though nobody accepts
}

BOOST_AUTO_TEST_CASE(what_is_no_listener_is_refused) {
  Told told;
  const loadcore::net::Descriptor idle(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto datagram = listening_socket(SOCK_DGRAM);
  const loadcore::net::Descriptor local(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (const int number : {idle.number(), datagram.number(), local.number(), -1, 0}) {
    ServerOptions options;
    options.listener = number;
    BOOST_CHECK_EXCEPTION(Server(options, numbered(told)), PlanError,
                          [](const PlanError& error) { return error.field() == "listener"; });
  }
}

BOOST_AUTO_TEST_SUITE_END()
