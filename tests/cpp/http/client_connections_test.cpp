// Connecting, closing, reusing slots, the alarm, and what other threads may call.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "../scripted_server.hpp"
#include "client_driver.hpp"
#include "loadcore/net/descriptor.hpp"

using loadcore::base::Duration;
using loadcore::base::TimePoint;
using loadcore::net::Descriptor;
using loadcore::test::answer;
using loadcore::test::answer_all;
using loadcore::test::free_port;
using loadcore::test::ScriptedServer;
using Peer = loadcore::test::ScriptedServer::Peer;
using namespace loadcore::http;
using namespace loadcore::http::test;
using namespace std::chrono_literals;

namespace {

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A listening socket that never answers another SYN: its queue is full and nobody accepts.
class FullListener {
 public:
  FullListener() : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    BOOST_TEST_REQUIRE(::bind(listener_.number(), generic, sizeof address) == 0);
    BOOST_TEST_REQUIRE(::listen(listener_.number(), 0) == 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_.number(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    for (Descriptor& filler : fillers_) {
      filler = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
      ::connect(filler.number(), generic, sizeof address);
    }
  }
  std::uint16_t port() const noexcept { return port_; }

 private:
  Descriptor listener_;
  std::array<Descriptor, 4> fillers_;
  std::uint16_t port_ = 0;
};

std::string url_of(std::uint16_t port) { return "http://127.0.0.1:" + std::to_string(port) + "/"; }

ClientOptions slots(std::uint32_t connections) {
  ClientOptions options;
  options.connections = connections;
  return options;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(client_connections)

BOOST_AUTO_TEST_CASE(every_kind_of_address) {
  for (const auto kind : {ScriptedServer::Kind::ipv4, ScriptedServer::Kind::ipv6,
                          ScriptedServer::Kind::unix_socket}) {
    ScriptedServer server(answer_all, kind);
    BOOST_TEST_CONTEXT(server.url()) {
      Client client(server.url());
      client.connect();
      BOOST_TEST(client.exchange(get).status == 200);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_name_whose_first_address_may_refuse) {
  // localhost is ::1 or 127.0.0.1 or both, and the server listens on one of them.
  ScriptedServer server(answer_all);
  Client client("http://localhost:" + std::to_string(server.port()) + "/", slots(4));
  for (Slot slot = 0; slot < 4; ++slot) {
    client.connect(slot);
    BOOST_TEST(client.exchange(get, slot).status == 200);
  }
  BOOST_TEST(server.accepted() == 4U);
}

BOOST_AUTO_TEST_CASE(nobody_listens) {
  Client client(url_of(free_port()));
  for (int turn = 0; turn < 3; ++turn) {
    client.transport().connect(0);
    BOOST_TEST(client.expect(Event::Kind::connect_failed).reason == "Connection refused");
  }
  Client none("http+unix://%2Ftmp%2Floadcore-nobody.sock/");
  none.transport().connect(0);
  BOOST_TEST(none.expect(Event::Kind::connect_failed).reason == "No such file or directory");
}

BOOST_AUTO_TEST_CASE(a_name_that_does_not_exist) {
  ClientOptions options = slots(3);
  options.connect_timeout = 2s;
  Client client("http://nothing.invalid/", options);
  for (Slot slot = 0; slot < 3; ++slot) client.transport().connect(slot);
  for (Slot slot = 0; slot < 3; ++slot) {
    BOOST_TEST(!client.expect(Event::Kind::connect_failed).reason.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_target_that_does_not_answer_the_syn) {
  const FullListener listener;
  ClientOptions options = slots(2);
  options.connect_timeout = 150ms;
  Client client(url_of(listener.port()), options);
  for (int turn = 0; turn < 2; ++turn) {
    const TimePoint before = client.transport().now();
    client.transport().connect(0);
    client.transport().connect(1);
    BOOST_TEST(client.expect(Event::Kind::connect_failed).reason == "Connection timed out");
    BOOST_TEST(client.expect(Event::Kind::connect_failed).reason == "Connection timed out");
    const Duration waited = client.transport().now() - before;
    BOOST_TEST((waited >= 150ms));
    BOOST_TEST((waited < 10s));
  }
}

BOOST_AUTO_TEST_CASE(more_at_once_than_are_tried_at_once) {
  ScriptedServer server([](Peer& peer) { peer.wait_for_close(); });
  Client client(server.url(), slots(300));
  for (Slot slot = 0; slot < 300; ++slot) client.transport().connect(slot);
  std::vector<bool> seen(300);
  for (int count = 0; count < 300; ++count) {
    seen[client.expect(Event::Kind::connected).slot] = true;
  }
  BOOST_TEST(std::count(seen.begin(), seen.end(), true) == 300);
}

BOOST_AUTO_TEST_CASE(closed_while_it_connects) {
  const FullListener full;
  Client waiting(url_of(full.port()), slots(200));
  for (Slot slot = 0; slot < 200; ++slot) waiting.transport().connect(slot);
  BOOST_TEST((waiting.next(20ms).kind == Event::Kind::alarm));
  for (Slot slot = 0; slot < 200; ++slot) waiting.transport().close(slot);
  BOOST_TEST((waiting.next(20ms).kind == Event::Kind::alarm));

  ScriptedServer server(answer_all);
  Client client(server.url());
  client.transport().connect(0);
  client.transport().close(0);
  BOOST_TEST((client.next(20ms).kind == Event::Kind::alarm));
  client.transport().connect(0);
  client.transport().close(0);
  client.transport().connect(0);
  client.expect(Event::Kind::connected);
  BOOST_TEST(client.exchange(get).status == 200);
  BOOST_TEST((client.next(20ms).kind == Event::Kind::alarm));
}

BOOST_AUTO_TEST_CASE(closed_slots_make_room_for_those_that_wait) {
  const FullListener full;
  ClientOptions options = slots(400);
  options.connect_timeout = 200ms;
  Client client(url_of(full.port()), options);
  for (Slot slot = 0; slot < 400; ++slot) client.transport().connect(slot);
  // 128 at a time: all of them have failed after four rounds, none twice.
  std::vector<int> failed(400);
  for (int count = 0; count < 400; ++count) {
    ++failed[client.expect(Event::Kind::connect_failed).slot];
  }
  BOOST_TEST(std::count(failed.begin(), failed.end(), 1) == 400);
  BOOST_TEST((client.next(50ms).kind == Event::Kind::alarm));
}

BOOST_AUTO_TEST_CASE(closed_while_an_answer_is_on_its_way) {
  ScriptedServer server([](Peer& peer) {
    peer.read_request();
    std::this_thread::sleep_for(20ms);
    peer.write(answer());
    answer_all(peer);
  });
  Client client(server.url());
  for (int turn = 0; turn < 5; ++turn) {
    client.connect();
    client.transport().send(0, get, false);
    client.transport().close(0);
    client.connect();
    // What comes is the answer to this one, of the new connection.
    const TimePoint sent = client.transport().send(0, get, false);
    const Response one = client.expect(Event::Kind::answered).answer;
    BOOST_TEST((one.last_byte - sent >= 20ms));
    client.transport().close(0);
    BOOST_TEST((client.next(5ms).kind == Event::Kind::alarm));
  }
  BOOST_TEST(server.accepted() == 10U);
}

BOOST_AUTO_TEST_CASE(closing_what_is_closed_is_nothing) {
  ScriptedServer server(answer_all);
  Client client(server.url());
  client.transport().close(0);
  client.connect();
  client.transport().close(0);
  client.transport().close(0);
  client.connect();
  BOOST_TEST(client.exchange(get).status == 200);
}

BOOST_AUTO_TEST_CASE(slots_do_not_mix) {
  ScriptedServer server([](Peer& peer) {
    while (true) {
      const std::string request = peer.read_request();
      if (request.empty()) return;
      peer.write(answer(std::string(static_cast<std::size_t>(request[5] - 'a') * 1000, 'x')));
    }
  });
  Client client(server.url(), slots(8));
  for (Slot slot = 0; slot < 8; ++slot) client.connect(slot);
  std::array<std::string, 8> requests;
  for (Slot slot = 0; slot < 8; ++slot) {
    requests[slot] = "GET /" + std::string(1, static_cast<char>('a' + slot)) + " HTTP/1.1\r\n\r\n";
  }
  for (int turn = 0; turn < 10; ++turn) {
    for (Slot slot = 0; slot < 8; ++slot) client.transport().send(slot, requests[slot], false);
    for (int count = 0; count < 8; ++count) {
      const Event event = client.expect(Event::Kind::answered);
      BOOST_TEST(event.answer.bytes == answer(std::string(event.slot * 1000, 'x')).size());
    }
  }
}

BOOST_AUTO_TEST_CASE(the_alarm) {
  ScriptedServer server(answer_all);
  Client client(server.url());
  // next() sets it: never early, and once.
  for (const Duration span : {-1s, 0s}) {
    BOOST_TEST((client.next(span).kind == Event::Kind::alarm));
  }
  for (const Duration span : {1ms, 5ms, 20ms}) {
    const TimePoint before = client.transport().now();
    BOOST_TEST((client.next(span).kind == Event::Kind::alarm));
    BOOST_TEST((client.transport().now() - before >= span));
  }
}

BOOST_AUTO_TEST_CASE(an_alarm_replaces_the_one_before) {
  ScriptedServer server(answer_all);
  Client client(server.url());
  client.transport().set_alarm(client.transport().now() + 1ms);
  std::this_thread::sleep_for(5ms);
  // The one before has come due by now, and is gone all the same.
  const TimePoint before = client.transport().now();
  BOOST_TEST((client.next(30ms).kind == Event::Kind::alarm));
  BOOST_TEST((client.transport().now() - before >= 30ms));
}

BOOST_AUTO_TEST_CASE(others_wake_and_stop) {
  ScriptedServer server(answer_all);
  Client client(server.url());
  client.connect();
  std::thread waker([&client] {
    std::this_thread::sleep_for(20ms);
    client.transport().wake();
  });
  const TimePoint before = client.transport().now();
  BOOST_TEST((client.next(10s).kind == Event::Kind::alarm));
  BOOST_TEST((client.transport().now() - before < 5s));
  waker.join();
}

BOOST_AUTO_TEST_CASE(stopped_before_it_runs) {
  ScriptedServer server(answer_all);
  Client client(server.url());
  client.transport().connect(0);
  client.transport().stop();
}

BOOST_AUTO_TEST_SUITE_END()
