#include "loadcore/http/server.hpp"

#include <sys/resource.h>

#include <fcntl.h>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <deque>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../comes_true.hpp"
#include "loadcore/base/error.hpp"
#include "server_client.hpp"

using namespace std::chrono_literals;
using loadcore::http::Answer;
using loadcore::http::Exchange;
using loadcore::http::Handler;
using loadcore::http::Request;
using loadcore::http::Server;
using loadcore::http::ServerOptions;
using loadcore::http::ServerThread;
using loadcore::http::Ticket;

namespace {

const std::string host = "Host: a\r\n";

std::string get(const std::string& path, const std::string& fields = "") {
  return "GET " + path + " HTTP/1.1\r\n" + host + fields + "\r\n";
}

/// Answers with the path and the body; /throw throws; /big answers with a megabyte.
class Echo final : public Handler {
 public:
  void handle(const Request& request, Exchange& exchange) override {
    if (request.path == "/throw") throw std::runtime_error("a handler's mistake");
    if (request.path == "/big") {
      exchange.answer({.body = big_});
      return;
    }
    exchange.answer({.body = std::string(request.path) + "|" + std::string(request.body),
                     .content_type = "text/plain",
                     .fields = "X-Echo: yes\r\n"});
  }

 private:
  const std::string big_ = std::string(1 << 20, 'b');
};

loadcore::http::HandlerFactory echo() {
  return [](ServerThread&) { return std::make_unique<Echo>(); };
}

bool comes_true(const std::function<bool()>& condition) {
  return loadcore::test::comes_true(condition, 5s);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(server)

BOOST_AUTO_TEST_CASE(answers_and_keeps_the_connection) {
  Server server({}, echo());
  RawClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    client.send(get("/a"));
    const std::string answer = client.receive_until("/a|");
    BOOST_TEST(status_of(answer) == 200);
    BOOST_TEST(answer.find("\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n") !=
               std::string::npos);
    BOOST_TEST(answer.find("\r\nDate: ") != std::string::npos);
    BOOST_TEST(answer.find("\r\nX-Echo: yes\r\n") != std::string::npos);
    BOOST_TEST(answer.find("Connection:") == std::string::npos);
  }
  client.send("HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string answer = client.receive_all();
  BOOST_TEST(answer.find("\r\nContent-Length: 3\r\nConnection: close\r\n") != std::string::npos);
  BOOST_TEST(answer.ends_with("\r\n\r\n"));
  BOOST_TEST(client.closed());
  BOOST_TEST(server.stats().answers.at(200) == 4U);
}

BOOST_AUTO_TEST_CASE(http_1_0_closes_unless_asked_to_stay) {
  Server server({}, echo());
  RawClient staying(server.port());
  staying.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  BOOST_TEST(staying.receive_until("/a|").find("\r\nConnection: keep-alive\r\n") !=
             std::string::npos);
  staying.send("GET /b HTTP/1.0\r\n\r\n");
  BOOST_TEST(body_of(staying.receive_all()) == "/b|");
}

BOOST_AUTO_TEST_CASE(pipelined_requests_are_answered_in_order) {
  Server server({}, echo());
  RawClient client(server.port());
  std::string requests;
  constexpr int count = 2000;
  for (int i = 0; i < count; ++i) {
    requests +=
        "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy";
  }
  requests += get("/last", "Connection: close\r\n");
  std::thread sender([&] { client.send(requests); });
  const std::string answers = client.receive_all();
  sender.join();
  std::size_t at = 0;
  for (int i = 0; i < count; ++i) {
    at = answers.find("\r\n\r\n/" + std::to_string(i) + "|xy", at);
    BOOST_REQUIRE(at != std::string::npos);
  }
  BOOST_TEST(answers.ends_with("/last|"));
}

BOOST_AUTO_TEST_CASE(requests_may_come_in_any_pieces) {
  Server server({}, echo());
  const std::string request =
      "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  for (std::size_t cut = 1; cut < request.size(); ++cut) {
    RawClient client(server.port());
    client.send(request.substr(0, cut));
    BOOST_REQUIRE(comes_true([&] { return server.stats().open > 0; }));
    client.send(request.substr(cut) + get("/b", "Connection: close\r\n"));
    const std::string answers = client.receive_all();
    BOOST_REQUIRE(answers.find("\r\n\r\n/a|abcHTTP/1.1 200") != std::string::npos);
    BOOST_REQUIRE(answers.ends_with("/b|"));
  }
}

BOOST_AUTO_TEST_CASE(requests_beyond_the_limits_are_refused_with_an_answer) {
  ServerOptions options;
  options.limits = {.head_bytes = 8000, .target_bytes = 1000, .body_bytes = 10'000};
  Server server(options, echo());
  const auto outcome = [&](const std::string& request) {
    RawClient client(server.port());
    client.send(request);
    const std::string answer = client.receive_all();
    BOOST_TEST(client.closed());  // and not reset, although bytes were left unread
    BOOST_TEST(body_of(answer).starts_with(R"({"error": ")"));
    return status_of(answer);
  };
  BOOST_TEST(outcome(get("/" + std::string(3000, 'a'))) == 414);
  BOOST_TEST(outcome(get("/a", "A: " + std::string(100'000, 'b') + "\r\n")) == 431);
  BOOST_TEST(outcome("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10001\r\n\r\n" +
                     std::string(10'001, 'c')) == 413);
  BOOST_TEST(outcome("nonsense\r\n\r\n") == 400);
  BOOST_TEST(outcome("GET / HTTP/2.0\r\n\r\n") == 505);

  RawClient client(server.port());  // what is within them is served, whatever buffer it takes
  const std::string body(10'000, 'c');
  for (int i = 0; i < 2; ++i) {
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nA: " + std::string(7000, 'b') +
                "\r\nContent-Length: 10000\r\n\r\n" + body);
    BOOST_TEST(client.receive_until("/a|" + body).ends_with("/a|" + body));
  }
}

BOOST_AUTO_TEST_CASE(large_requests_at_once_are_bounded) {
  ServerOptions options;
  options.large_requests_per_thread_max = 1;
  Server server(options, echo());
  const std::string half = "GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(3000, 'b');
  RawClient first(server.port());
  first.send(half);
  BOOST_REQUIRE(first.is_silent_for(50ms));
  RawClient second(server.port());
  second.send(half);
  BOOST_TEST(status_of(second.receive_all()) == 503);
  first.send("\r\n\r\n");
  BOOST_TEST(status_of(first.receive_until("/|")) == 200);
  RawClient third(server.port());
  third.send(half + "\r\n\r\n");
  BOOST_TEST(status_of(third.receive_until("/|")) == 200);
}

BOOST_AUTO_TEST_CASE(waits_with_the_body_for_100_continue) {
  Server server({}, echo());
  RawClient client(server.port());
  client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  BOOST_TEST(client.receive_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("x");
  BOOST_TEST(client.is_silent_for(50ms));
  client.send("y");
  BOOST_TEST(client.receive_until("/a|xy").starts_with("HTTP/1.1 200 "));
  client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nxy");
  BOOST_TEST(client.receive_until("/a|xy").starts_with("HTTP/1.1 200 "));
}

BOOST_AUTO_TEST_CASE(an_exception_is_an_answer_and_costs_the_connection) {
  Server server({}, echo());
  RawClient client(server.port());
  client.send(get("/a") + get("/throw") + get("/b"));
  const std::string answers = client.receive_all();
  BOOST_TEST(answers.find("/a|HTTP/1.1 500 ") != std::string::npos);
  BOOST_TEST(answers.ends_with(R"({"error": "internal error"})"));
  RawClient next(server.port());
  next.send(get("/c"));
  BOOST_TEST(body_of(next.receive_until("/c|")) == "/c|");
}

BOOST_AUTO_TEST_CASE(a_client_that_does_not_read_is_waited_for_and_then_cut_off) {
  ServerOptions options;
  options.send_timeout = 2s;  // a patient client may get no CPU for a while
  Server server(options, echo());
  constexpr int count = 40;
  std::string requests;
  for (int i = 0; i < count; ++i) requests += get("/big");
  const auto answer_bytes = [&] {
    RawClient one(server.port());
    one.send(get("/big", "Connection: close\r\n"));
    return one.receive_all().size() - sizeof "Connection: close\r\n" + 1;
  }();
  RawClient patient(server.port(), 16 * 1024);
  patient.send(requests);
  patient.end_sending();
  BOOST_TEST(patient.receive_all().size() == count * answer_bytes);

  RawClient stuck(server.port(), 16 * 1024);
  stuck.send(requests);
  BOOST_TEST(comes_true([&] { return server.stats().timed_out == 1; }));
  BOOST_TEST(comes_true([&] { return server.stats().open <= 1; }));
}

BOOST_AUTO_TEST_CASE(slow_clients_are_cut_off) {
  ServerOptions options;
  options.head_timeout = 100ms;
  options.body_timeout = 200ms;
  options.idle_timeout = 300ms;
  Server server(options, echo());
  RawClient idle(server.port());
  RawClient slow_head(server.port());
  slow_head.send("GET / HT");
  RawClient slow_body(server.port());
  slow_body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
  RawClient trickling(server.port());
  std::thread trickle([&] {
    for (const char byte : get("/a", "A: " + std::string(100, 'b') + "\r\n")) {
      trickling.send({&byte, 1});
      std::this_thread::sleep_for(5ms);
    }
  });
  BOOST_TEST(status_of(slow_head.receive_all()) == 408);
  BOOST_TEST(status_of(slow_body.receive_all()) == 408);
  BOOST_TEST(status_of(trickling.receive_all()) == 408);
  BOOST_TEST(idle.receive_all().empty());
  BOOST_TEST(idle.closed());
  trickle.join();
  BOOST_TEST(server.stats().timed_out == 3U);
}

BOOST_AUTO_TEST_CASE(connections_beyond_the_cap_are_turned_away) {
  ServerOptions options;
  options.connections_max = 2;
  Server server(options, echo());
  RawClient first(server.port());
  RawClient second(server.port());
  BOOST_REQUIRE(comes_true([&] { return server.stats().open == 2; }));
  RawClient third(server.port());
  const std::string answer = third.receive_all();
  BOOST_TEST(status_of(answer) == 503);
  BOOST_TEST(answer.find("\r\nRetry-After: 1\r\n") != std::string::npos);
  first.close();
  BOOST_REQUIRE(comes_true([&] { return server.stats().open == 1; }));
  RawClient fourth(server.port());
  fourth.send(get("/a"));
  BOOST_TEST(status_of(fourth.receive_until("/a|")) == 200);
  BOOST_TEST(server.stats().turned_away == 1U);
}

BOOST_AUTO_TEST_CASE(connections_beyond_the_cap_of_their_address_are_turned_away) {
  ServerOptions options;
  options.host = "::";
  options.threads = 2;  // they share the count
  options.connections_per_address_max = 3;
  Server server(options, echo());
  std::vector<RawClient> clients;
  for (int i = 0; i < 3; ++i) clients.emplace_back(server.port());
  BOOST_REQUIRE(comes_true([&] { return server.stats().open == 3; }));
  RawClient turned_away(server.port());
  turned_away.send(get("/a"));
  BOOST_TEST(status_of(turned_away.receive_all()) == 503);
  BOOST_TEST(server.stats().turned_away == 1U);
  BOOST_TEST(server.stats().turned_away_by_address == 1U);
  clients.pop_back();
  BOOST_REQUIRE(comes_true([&] { return server.stats().open == 2; }));
  RawClient next(server.port());
  next.send(get("/a"));
  BOOST_TEST(status_of(next.receive_until("/a|")) == 200);
}

BOOST_AUTO_TEST_CASE(a_refusal_reaches_a_client_that_goes_on_sending) {
  Server server({}, echo());
  RawClient client(server.port());
  client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
  BOOST_REQUIRE(comes_true([&] { return server.stats().answers.contains(413); }));
  for (int i = 0; i < 10; ++i) {
    client.send(std::string(10'000, 'c'));
    std::this_thread::sleep_for(5ms);
  }
  BOOST_TEST(status_of(client.receive_all()) == 413);
  BOOST_TEST(client.closed());  // and not reset
  client.close();
  BOOST_TEST(comes_true([&] { return server.stats().open == 0; }));
}

BOOST_AUTO_TEST_CASE(a_refusal_of_a_head_request_has_no_body) {
  Server server({}, echo());
  for (const std::string request :
       {"HEAD / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: a b\r\n", "HEAD / HTTP/2.0\r\n"}) {
    RawClient client(server.port());
    client.send(request);
    const std::string answer = client.receive_all();
    BOOST_TEST(status_of(answer) >= 400);
    BOOST_TEST(answer.ends_with("\r\n\r\n"));
    BOOST_TEST(answer.find("\r\nContent-Length: ") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(running_out_of_descriptors_is_a_pause) {
  Server server({}, echo());
  RawClient waiting(server.port());
  BOOST_REQUIRE(comes_true([&] { return server.stats().open == 1; }));
  // The client's own descriptor is the last that the process gets.
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const int last = ::fcntl(0, F_DUPFD, 0);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(last) + 1;
  ::close(last);
  ::setrlimit(RLIMIT_NOFILE, &tight);
  RawClient late(server.port());
  BOOST_TEST(comes_true([&] { return server.stats().accept_errors >= 2; }));
  waiting.send(get("/a"));
  BOOST_TEST(status_of(waiting.receive_until("/a|")) == 200);
  const std::uint64_t errors_before = server.stats().accept_errors;
  const auto began = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(300ms);
  const std::uint64_t errors = server.stats().accept_errors - errors_before;
  // Each pause is of 100 ms: this is no spin.
  const auto pauses = (std::chrono::steady_clock::now() - began) / 100ms;
  BOOST_TEST(errors <= static_cast<std::uint64_t>(pauses) + 5);
  ::setrlimit(RLIMIT_NOFILE, &before);
  late.send(get("/b"));
  BOOST_TEST(status_of(late.receive_until("/b|")) == 200);
}

BOOST_AUTO_TEST_CASE(threads_share_a_port_and_nobody_else_does) {
  ServerOptions options;
  options.threads = 4;
  Server server(options, echo());
  std::vector<RawClient> clients;
  for (int i = 0; i < 40; ++i) {
    clients.emplace_back(server.port());
    clients.back().send(get("/a"));
  }
  for (RawClient& client : clients) BOOST_TEST(status_of(client.receive_until("/a|")) == 200);
  for (const unsigned threads : {1U, 2U}) {
    ServerOptions second;
    second.port = server.port();
    second.threads = threads;
    BOOST_CHECK_THROW(Server(second, echo()), loadcore::base::RunError);
  }
}

BOOST_AUTO_TEST_CASE(where_it_listens) {
  ServerOptions options;
  options.host = "0.0.0.0";
  Server everywhere(options, echo());
  BOOST_TEST(everywhere.url() == "http://127.0.0.1:" + std::to_string(everywhere.port()));
  options.host = "::1";
  Server v6(options, echo());
  BOOST_TEST(v6.url() == "http://[::1]:" + std::to_string(v6.port()));
  options.host = "192.0.2.1";
  BOOST_CHECK_THROW(Server(options, echo()), loadcore::base::RunError);
  options.host = "";
  BOOST_CHECK_THROW(Server(options, echo()), loadcore::base::PlanError);
  options = {};
  options.threads = 0;
  BOOST_CHECK_THROW(Server(options, echo()), loadcore::base::PlanError);
}

BOOST_AUTO_TEST_CASE(a_drain_finishes_what_has_begun_and_closes_the_rest) {
  Server server({}, echo());
  RawClient idle(server.port());
  idle.send(get("/a"));
  idle.receive_until("/a|");
  RawClient busy(server.port());
  busy.send("GET /b HTTP/1.1\r\n");
  BOOST_REQUIRE(busy.is_silent_for(50ms));
  server.stop(5s);
  BOOST_TEST(idle.receive_all().empty());
  BOOST_TEST(idle.closed());
  BOOST_TEST(!server.wait_stopped(50ms));
  busy.send("Host: a\r\n\r\n");
  const std::string answer = busy.receive_all();
  BOOST_TEST(answer.find("\r\nConnection: close\r\n") != std::string::npos);
  BOOST_TEST(answer.ends_with("/b|"));
  BOOST_TEST(server.wait_stopped(5s));
  BOOST_TEST(server.cut_off() == 0U);
  server.stop(0s);
  BOOST_TEST(server.wait_stopped(0s));
}

BOOST_AUTO_TEST_CASE(a_drain_ends_in_time) {
  Server server({}, echo());
  RawClient stuck(server.port());
  stuck.send("GET /b HTTP/1.1\r\n");
  BOOST_REQUIRE(stuck.is_silent_for(50ms));
  server.stop(1h);
  BOOST_TEST(!server.wait_stopped(50ms));
  server.stop(100ms);  // the sooner one counts
  BOOST_TEST(server.wait_stopped(5s));
  BOOST_TEST(server.cut_off() == 1U);
  stuck.receive_all();
  BOOST_TEST(stuck.closed());
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

/// Defers every request but those to /now; a thread of the test says when to answer.
class Deferring final : public Handler {
 public:
  struct Shared {
    std::mutex mutex;
    ServerThread* thread = nullptr;
    std::atomic<int> waiting{0};
    std::atomic<int> gone{0};
    std::atomic<int> answered_twice{0};
    std::atomic<bool> release{false};
  };

  Deferring(Shared& shared, ServerThread& thread) : shared_(shared), thread_(thread) {
    shared.thread = &thread;
  }

  void handle(const Request& request, Exchange& exchange) override {
    if (request.path == "/now") {
      exchange.answer({.body = "/now"});
    } else {
      waiting_.emplace_back(exchange.defer(), std::string(request.path));
      ++shared_.waiting;
    }
    if (request.path == "/commit") {  // like a batch that is written at the end of a turn
      shared_.release = true;
      thread_.wake();
    }
  }

  void woken() override {
    if (!shared_.release.exchange(false)) return;
    for (const auto& [ticket, path] : waiting_) {
      if (!thread_.answer(ticket, {.body = path})) ++shared_.gone;
      if (thread_.answer(ticket, {.body = path})) ++shared_.answered_twice;
    }
    shared_.waiting -= static_cast<int>(waiting_.size());
    waiting_.clear();
  }

 private:
  Shared& shared_;
  ServerThread& thread_;
  std::deque<std::pair<Ticket, std::string>> waiting_;
};

struct DeferringServer {
  Deferring::Shared shared;
  Server server{
      {}, [this](ServerThread& thread) { return std::make_unique<Deferring>(shared, thread); }};

  void release() {
    shared.release = true;
    shared.thread->wake();
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(server_deferring)

BOOST_AUTO_TEST_CASE(an_answer_may_come_later_from_a_wake) {
  DeferringServer fixture;
  RawClient client(fixture.server.port());
  client.send(get("/now") + get("/later") + get("/now") + get("/after"));
  BOOST_TEST(client.receive_until("/now").ends_with("/now"));
  BOOST_TEST(client.is_silent_for(50ms));  // the third does not overtake the second
  fixture.release();
  BOOST_TEST(client.receive_until("/now").find("\r\n\r\n/laterHTTP/1.1 200") != std::string::npos);
  BOOST_REQUIRE(comes_true([&] { return fixture.shared.waiting == 1; }));
  client.end_sending();
  fixture.release();
  BOOST_TEST(body_of(client.receive_all()) == "/after");
}

BOOST_AUTO_TEST_CASE(a_batch_is_answered_by_its_last) {
  DeferringServer fixture;
  std::vector<RawClient> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(fixture.server.port());
    clients.back().send(get("/client" + std::to_string(i)));
  }
  BOOST_REQUIRE(comes_true([&] { return fixture.shared.waiting == 20; }));
  RawClient last(fixture.server.port());
  last.send(get("/now") + get("/commit"));
  BOOST_TEST(last.receive_until("/commit").ends_with("/commit"));
  for (int i = 0; i < 20; ++i) {
    const std::string path = "/client" + std::to_string(i);
    BOOST_TEST(body_of(clients[static_cast<std::size_t>(i)].receive_until(path)) == path);
  }
  BOOST_TEST(fixture.shared.answered_twice == 0);
  BOOST_TEST(fixture.shared.gone == 0);
}

BOOST_AUTO_TEST_CASE(a_client_that_has_gone_gets_no_other_clients_answer) {
  DeferringServer fixture;
  {
    RawClient gone(fixture.server.port());
    gone.send(get("/gone"));
    BOOST_REQUIRE(comes_true([&] { return fixture.shared.waiting == 1; }));
    fixture.server.stop(0s);  // closes it with its answer owed
  }
  BOOST_TEST(fixture.server.wait_stopped(5s));
  BOOST_TEST(fixture.server.cut_off() == 1U);
}

BOOST_AUTO_TEST_CASE(a_drain_waits_for_deferred_answers) {
  DeferringServer fixture;
  RawClient client(fixture.server.port());
  client.send(get("/later"));
  BOOST_REQUIRE(comes_true([&] { return fixture.shared.waiting == 1; }));
  fixture.server.stop(5s);
  BOOST_TEST(!fixture.server.wait_stopped(50ms));
  fixture.release();
  const std::string answer = client.receive_all();
  BOOST_TEST(answer.find("\r\nConnection: close\r\n") != std::string::npos);
  BOOST_TEST(answer.ends_with("/later"));
  BOOST_TEST(fixture.server.wait_stopped(5s));
  BOOST_TEST(fixture.server.cut_off() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
