// What a target may send, whole or broken, and how the transport takes it.

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <string>
#include <thread>

#include "../scripted_server.hpp"
#include "client_driver.hpp"

using loadcore::base::Duration;
using loadcore::base::TimePoint;
using loadcore::test::answer;
using loadcore::test::answer_all;
using loadcore::test::ScriptedServer;
using Peer = loadcore::test::ScriptedServer::Peer;
using namespace loadcore::http;
using namespace loadcore::http::test;
using namespace std::chrono_literals;

namespace {

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

ClientOptions patient(Duration request_timeout) {
  ClientOptions options;
  options.request_timeout = request_timeout;
  return options;
}

/// Sends `get` to a server that reads it, does `script` and then waits; the failure that comes.
Event failure_of(const ScriptedServer::Script& script, Duration request_timeout = 5s) {
  ScriptedServer server([&script](Peer& peer) {
    peer.read_request();
    script(peer);
  });
  Client client(server.url(), patient(request_timeout));
  client.connect();
  client.transport().send(0, get, false);
  return client.expect(Event::Kind::failed);
}

/// Of exactly so many bytes, head and all.
std::string answer_of_size(std::size_t bytes) {
  std::string body(bytes, 'x');
  while (answer(body).size() > bytes) body.pop_back();
  // The length of the length itself may jump over one size; a header fills that up.
  std::string made = answer(body);
  if (made.size() < bytes) made = answer(body.substr(5), "A: b\r\n");
  return made;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(client_answers)

BOOST_AUTO_TEST_CASE(one_after_the_other_on_one_connection) {
  ScriptedServer server(answer_all);
  Client client(server.url());
  client.connect();
  for (int turn = 0; turn < 100; ++turn) {
    const TimePoint before = client.transport().now();
    const TimePoint sent = client.transport().send(0, get, false);
    const Response one = client.expect(Event::Kind::answered).answer;
    BOOST_TEST((before <= sent));
    BOOST_TEST((sent < one.last_byte));
    BOOST_TEST(one.status == 200);
    BOOST_TEST(one.bytes == answer().size());
    BOOST_TEST(one.keep_alive);
  }
  BOOST_TEST(server.accepted() == 1U);
}

BOOST_AUTO_TEST_CASE(sizes_around_those_of_the_buffers) {
  std::size_t size = 0;
  ScriptedServer server([&size](Peer& peer) {
    while (!peer.read_request().empty() && peer.write(answer_of_size(size))) {
    }
  });
  Client client(server.url());
  client.connect();
  for (const std::size_t buffer : {4096U, 65536U, 4096U + 65536U, 4096U + 2 * 65536U, 2'000'000U}) {
    for (const std::size_t bytes : {buffer - 1, buffer, buffer + 1}) {
      BOOST_TEST_CONTEXT(bytes) {
        size = bytes;
        const Response one = client.exchange(get);
        BOOST_TEST(one.bytes == bytes);
        BOOST_TEST(one.keep_alive);
      }
    }
  }
  BOOST_TEST(server.accepted() == 1U);
}

BOOST_AUTO_TEST_CASE(a_piece_of_exactly_the_buffer_and_the_rest_later) {
  for (const std::size_t first : {4096U, 4096U + 65536U}) {
    ScriptedServer server([first](Peer& peer) {
      const std::string whole = answer_of_size(100'000);
      peer.read_request();
      peer.write(whole.substr(0, first));
      std::this_thread::sleep_for(30ms);
      peer.write(whole.substr(first));
      answer_all(peer);
    });
    Client client(server.url());
    client.connect();
    BOOST_TEST(client.exchange(get).bytes == 100'000U);
    BOOST_TEST(client.exchange(get).keep_alive);
  }
}

BOOST_AUTO_TEST_CASE(a_piece_of_exactly_the_buffer_and_then_the_end) {
  for (const bool whole : {false, true}) {
    ScriptedServer server([whole](Peer& peer) {
      peer.read_request();
      // Without a length the body goes on until the connection ends.
      const std::string head =
          whole ? "HTTP/1.1 200 OK\r\n\r\n" : "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n";
      peer.write(head + std::string(4096 - head.size(), 'x'));
      peer.half_close();
      peer.wait_for_close();
    });
    Client client(server.url());
    client.connect();
    client.transport().send(0, get, false);
    const Event event = client.next();
    if (whole) {
      BOOST_TEST_REQUIRE((event.kind == Event::Kind::answered));
      BOOST_TEST(event.answer.bytes == 4096U);
      BOOST_TEST(!event.answer.keep_alive);
    } else {
      BOOST_TEST_REQUIRE((event.kind == Event::Kind::failed));
      BOOST_TEST((event.failure == Failure::reset));
      BOOST_TEST(event.bytes == 4096U);
    }
  }
}

BOOST_AUTO_TEST_CASE(byte_by_byte) {
  ScriptedServer server([](Peer& peer) {
    while (!peer.read_request().empty()) {
      for (const char c : std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                      "3\r\nabc\r\n0\r\n\r\n")) {
        peer.write(std::string(1, c));
        std::this_thread::sleep_for(200us);
      }
    }
  });
  Client client(server.url());
  client.connect();
  for (int turn = 0; turn < 3; ++turn) {
    const Response one = client.exchange(get);
    BOOST_TEST(one.bytes == 60U);
    BOOST_TEST(one.keep_alive);
  }
}

BOOST_AUTO_TEST_CASE(interim_answers_are_skipped) {
  ScriptedServer server([](Peer& peer) {
    peer.read_request();
    peer.write("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n");
    std::this_thread::sleep_for(5ms);
    peer.write(answer());
    peer.wait_for_close();
  });
  Client client(server.url());
  client.connect();
  BOOST_TEST(client.exchange(get).status == 200);
}

BOOST_AUTO_TEST_CASE(an_answer_to_head_has_no_body) {
  ScriptedServer server([](Peer& peer) {
    while (!peer.read_request().empty()) {
      peer.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    }
  });
  Client client(server.url());
  client.connect();
  for (int turn = 0; turn < 3; ++turn) {
    BOOST_TEST(client.exchange("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").keep_alive);
  }
}

BOOST_AUTO_TEST_CASE(connection_close) {
  ScriptedServer server([](Peer& peer) {
    peer.read_request();
    peer.write(answer("ok", "Connection: close\r\n"));
    peer.wait_for_close();
  });
  Client client(server.url());
  for (int turn = 0; turn < 3; ++turn) {
    client.connect();
    BOOST_TEST(!client.exchange(get).keep_alive);
  }
  BOOST_TEST(server.accepted() == 3U);
}

BOOST_AUTO_TEST_CASE(closing_after_an_answer_is_told_once) {
  ScriptedServer server([](Peer& peer) {
    peer.read_request();
    peer.write(answer());
  });
  Client client(server.url());
  for (int turn = 0; turn < 3; ++turn) {
    client.connect();
    // Where the end is there along with the answer, the answer says so.
    if (client.exchange(get).keep_alive) client.expect(Event::Kind::closed);
  }
  BOOST_TEST((client.next(50ms).kind == Event::Kind::alarm));
}

BOOST_AUTO_TEST_CASE(closing_at_once) {
  ScriptedServer server([](Peer&) {});
  Client client(server.url());
  for (int turn = 0; turn < 50; ++turn) {
    client.transport().connect(0);
    if (turn % 2 == 0) std::this_thread::sleep_for(1ms);
    client.expect(Event::Kind::connected);
    client.expect(Event::Kind::closed);
  }
}

BOOST_AUTO_TEST_CASE(closing_at_once_on_a_request_that_is_sent_at_once) {
  ScriptedServer server([](Peer& peer) {
    peer.half_close();
    peer.wait_for_close();
  });
  Client client(server.url());
  for (int turn = 0; turn < 50; ++turn) {
    client.connect();
    client.transport().send(0, get, false);
    BOOST_TEST((client.expect(Event::Kind::failed).failure == Failure::reset));
  }
}

BOOST_AUTO_TEST_CASE(bytes_nobody_asked_for) {
  ScriptedServer server([](Peer& peer) {
    peer.write(answer());
    peer.wait_for_close();
  });
  Client client(server.url());
  client.connect();
  client.expect(Event::Kind::closed);
}

BOOST_AUTO_TEST_CASE(bytes_behind_an_answer) {
  ScriptedServer server([](Peer& peer) {
    peer.read_request();
    peer.write(answer() + "HTTP/1.1 200 OK\r\n");
    peer.wait_for_close();
  });
  Client client(server.url());
  client.connect();
  const Response one = client.exchange(get);
  BOOST_TEST(one.status == 200);
  BOOST_TEST(!one.keep_alive);
}

BOOST_AUTO_TEST_CASE(garbage) {
  for (const char* bytes : {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2 200\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"}) {
    BOOST_TEST_CONTEXT(bytes) {
      const Event event = failure_of([bytes](Peer& peer) {
        peer.write(bytes);
        peer.wait_for_close();
      });
      BOOST_TEST((event.failure == Failure::protocol));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_header_without_end) {
  const Event event = failure_of([](Peer& peer) {
    peer.write("HTTP/1.1 200 OK\r\n");
    while (peer.write("X-Filler: 0123456789012345678901234567890123456789\r\n")) {
    }
  });
  BOOST_TEST((event.failure == Failure::protocol));
  BOOST_TEST(event.bytes < 1'000'000U);
}

BOOST_AUTO_TEST_CASE(a_body_without_end_ends_with_the_timeout) {
  const TimePoint before = loadcore::base::now();
  const Event event = failure_of(
      [](Peer& peer) {
        const std::string piece(65536, 'x');
        peer.write("HTTP/1.1 200 OK\r\n\r\n");
        while (peer.write(piece)) {
        }
      },
      200ms);
  BOOST_TEST((event.failure == Failure::timeout));
  BOOST_TEST(event.bytes > 65536U);
  BOOST_TEST((loadcore::base::now() - before < 10s));
}

BOOST_AUTO_TEST_CASE(a_trickle_ends_with_the_timeout) {
  const Event event = failure_of(
      [](Peer& peer) {
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        while (peer.write("x")) std::this_thread::sleep_for(5ms);
      },
      150ms);
  BOOST_TEST((event.failure == Failure::timeout));
}

BOOST_AUTO_TEST_CASE(silence_ends_with_the_timeout) {
  ScriptedServer server([](Peer& peer) { peer.wait_for_close(); });
  Client client(server.url(), patient(100ms));
  client.connect();
  const TimePoint sent = client.transport().send(0, get, false);
  BOOST_TEST((client.expect(Event::Kind::failed).failure == Failure::timeout));
  const Duration waited = client.transport().now() - sent;
  BOOST_TEST((waited >= 100ms));
  BOOST_TEST((waited < 10s));
  // The slot is free again, and its next request has a timeout of its own.
  client.connect();
  const TimePoint again = client.transport().send(0, get, false);
  BOOST_TEST((client.expect(Event::Kind::failed).failure == Failure::timeout));
  BOOST_TEST((client.transport().now() - again >= 100ms));
}

BOOST_AUTO_TEST_CASE(each_request_has_its_own_timeout) {
  ScriptedServer server([](Peer& peer) {
    peer.read_request();
    std::this_thread::sleep_for(1200ms);
    peer.write(answer());
    peer.wait_for_close();
  });
  ClientOptions options = patient(2s);
  options.connections = 2;
  Client client(server.url(), options);
  client.connect(0);
  client.connect(1);
  client.exchange(get, 0);
  client.transport().send(0, get, false);
  std::this_thread::sleep_for(1s);
  // The one in slot 1 comes later and is answered before the one in slot 0 runs out.
  const TimePoint sent = client.transport().send(1, get, false);
  Event first = client.next();
  Event second = client.next();
  if (first.kind == Event::Kind::answered) std::swap(first, second);
  BOOST_TEST((first.kind == Event::Kind::failed));
  BOOST_TEST(first.slot == 0U);
  BOOST_TEST((second.kind == Event::Kind::answered));
  BOOST_TEST(second.slot == 1U);
  BOOST_TEST((second.answer.last_byte - sent >= 1200ms));
}

BOOST_AUTO_TEST_CASE(the_end_before_the_answer_is_complete) {
  for (const char* part :
       {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"}) {
    BOOST_TEST_CONTEXT(part) {
      for (const bool half : {false, true}) {
        const Event event = failure_of([part, half](Peer& peer) {
          peer.write(part);
          if (half) {
            peer.half_close();
            peer.wait_for_close();
          }
        });
        BOOST_TEST((event.failure == Failure::reset));
        BOOST_TEST(event.bytes == std::string_view(part).size());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_reset) {
  BOOST_TEST((failure_of([](Peer& peer) { peer.reset(); }).failure == Failure::reset));
  const Event event = failure_of([](Peer& peer) {
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na");
    std::this_thread::sleep_for(20ms);
    peer.reset();
  });
  BOOST_TEST((event.failure == Failure::reset));
}

BOOST_AUTO_TEST_CASE(a_reset_while_idle) {
  ScriptedServer server([](Peer& peer) {
    peer.read_request();
    peer.write(answer());
    std::this_thread::sleep_for(20ms);
    peer.reset();
  });
  Client client(server.url());
  client.connect();
  client.exchange(get);
  client.expect(Event::Kind::closed);
}

BOOST_AUTO_TEST_CASE(a_request_larger_than_the_socket_buffers) {
  const std::string body(16 << 20, 'b');
  const std::string request =
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
      body;
  std::size_t received = 0;
  bool same = false;
  ScriptedServer server([&](Peer& peer) {
    for (int turn = 0; turn < 2; ++turn) {
      std::this_thread::sleep_for(20ms);
      const std::string read = peer.read_request();
      received = read.size();
      same = read == request;
      peer.write(answer());
    }
    peer.wait_for_close();
  });
  Client client(server.url());
  client.connect();
  for (int turn = 0; turn < 2; ++turn) {
    BOOST_TEST(client.exchange(request).keep_alive);
    BOOST_TEST(received == request.size());
    BOOST_TEST(same);
  }
}

BOOST_AUTO_TEST_CASE(an_answer_before_the_request_is_out) {
  const std::string request =
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 33554432\r\n\r\n" + std::string(32 << 20, 'b');
  ScriptedServer server([](Peer& peer) {
    peer.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
    std::this_thread::sleep_for(200ms);
  });
  Client client(server.url());
  client.transport().connect(0);
  client.expect(Event::Kind::connected);
  client.transport().send(0, request, false);
  const Response one = client.expect(Event::Kind::answered).answer;
  BOOST_TEST(one.status == 413);
  BOOST_TEST(!one.keep_alive);
}

BOOST_AUTO_TEST_SUITE_END()
