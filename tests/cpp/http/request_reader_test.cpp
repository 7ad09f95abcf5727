#include "loadcore/http/request_reader.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using loadcore::http::Request;
using loadcore::http::RequestLimits;
using loadcore::http::RequestReader;

namespace {

struct Seen {
  std::string method, path, query, body;
  bool keep_alive;
  bool operator==(const Seen&) const = default;
};

struct Outcome {
  std::vector<Seen> requests;
  int refused = 0;        // the status
  bool in_midst = false;  // of a request that goes on
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  for (const Seen& seen : outcome.requests) {
    out << seen.method << ' ' << seen.path << '?' << seen.query << " [" << seen.body << "]"
        << (seen.keep_alive ? "" : " close") << "; ";
  }
  return out << (outcome.in_midst ? "more" : "") << " refused " << outcome.refused;
}

/// A connection's buffer and reader, as the server uses them.
class Connection {
 public:
  explicit Connection(const RequestLimits& limits)
      : reader_(limits), buffer_(limits.buffer_bytes()) {}

  void receive(std::string_view piece) {
    while (!piece.empty() && outcome_.refused == 0) {
      BOOST_REQUIRE_LT(size_, buffer_.size());  // the promise of buffer_bytes()
      const std::string_view part = piece.substr(0, buffer_.size() - size_);
      part.copy(buffer_.data() + size_, part.size());
      size_ += part.size();
      piece.remove_prefix(part.size());
      read();
    }
    outcome_.in_midst = size_ > 0 && outcome_.refused == 0;
  }

  const Outcome& outcome() const { return outcome_; }
  const RequestReader& reader() const { return reader_; }

 private:
  void read() {
    while (size_ > 0) {
      switch (reader_.read(buffer_.data(), size_)) {
        case RequestReader::State::more:
          return;
        case RequestReader::State::refused:
          outcome_.refused = reader_.refusal().status;
          BOOST_TEST(!reader_.refusal().reason.empty());
          return;
        case RequestReader::State::complete: {
          const Request request = reader_.request(buffer_.data());
          outcome_.requests.push_back({std::string(request.method), std::string(request.path),
                                       std::string(request.query), std::string(request.body),
                                       request.keep_alive});
          const std::size_t used = reader_.consumed();
          BOOST_REQUIRE_LE(used, size_);
          std::memmove(buffer_.data(), buffer_.data() + used, size_ - used);
          size_ -= used;
          reader_.start();
          break;
        }
      }
    }
  }

  RequestReader reader_;
  std::vector<char> buffer_;
  std::size_t size_ = 0;
  Outcome outcome_;
};

const RequestLimits usual;

Outcome read_whole(std::string_view bytes, const RequestLimits& limits = usual) {
  Connection connection(limits);
  connection.receive(bytes);
  return connection.outcome();
}

/// The outcome, which must be the same however the bytes are cut.
Outcome outcome_of(std::string_view bytes, const RequestLimits& limits = usual) {
  const Outcome whole = read_whole(bytes, limits);
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    Connection connection(limits);
    connection.receive(bytes.substr(0, cut));
    connection.receive(bytes.substr(cut));
    BOOST_REQUIRE_EQUAL(connection.outcome(), whole);
  }
  Connection connection(limits);
  for (const char& byte : bytes) connection.receive({&byte, 1});
  BOOST_REQUIRE_EQUAL(connection.outcome(), whole);
  return whole;
}

const std::string get = "GET /v1/alice/likes HTTP/1.1\r\n";
const std::string post = "POST /v1/alice/likes HTTP/1.1\r\n";
const std::string host = "Host: a.example:8080\r\n";

Outcome one(Seen seen) { return {{std::move(seen)}}; }
Outcome refusal(int status) { return {{}, status}; }

const Seen alice{"GET", "/v1/alice/likes", "", "", true};

}  // namespace

BOOST_AUTO_TEST_SUITE(request_reader)

BOOST_AUTO_TEST_CASE(usual_requests) {
  BOOST_TEST(outcome_of(get + host + "\r\n") == one(alice));
  BOOST_TEST(outcome_of(get + host + "X-Empty:\r\nX-Blank:  \t a b \t\r\n\r\n") == one(alice));
  BOOST_TEST(outcome_of("\r\n" + get + host + "\r\n") == one(alice));
  BOOST_TEST(outcome_of("GET /a?b=c?d HTTP/1.1\r\n" + host + "\r\n") ==
             one({"GET", "/a", "b=c?d", "", true}));
  BOOST_TEST(outcome_of("GET /? HTTP/1.1\r\n" + host + "\r\n") == one({"GET", "/", "", "", true}));
  BOOST_TEST(outcome_of("get / HTTP/1.1\r\nhOST:\r\n\r\n") == one({"get", "/", "", "", true}));
  BOOST_TEST(outcome_of(get + host) == (Outcome{{}, 0, true}));
}

BOOST_AUTO_TEST_CASE(targets_in_every_form) {
  BOOST_TEST(outcome_of("GET http://a.example/b?c HTTP/1.1\r\n" + host + "\r\n") ==
             one({"GET", "/b", "c", "", true}));
  BOOST_TEST(outcome_of("GET http://a.example HTTP/1.1\r\n" + host + "\r\n") ==
             one({"GET", "/", "", "", true}));
  BOOST_TEST(outcome_of("OPTIONS http://[::1]:80?b HTTP/1.1\r\n" + host + "\r\n") ==
             one({"OPTIONS", "/", "b", "", true}));
  BOOST_TEST(outcome_of("OPTIONS http://a.example HTTP/1.1\r\n" + host + "\r\n") ==
             one({"OPTIONS", "*", "", "", true}));
  BOOST_TEST(outcome_of("OPTIONS * HTTP/1.1\r\n" + host + "\r\n") ==
             one({"OPTIONS", "*", "", "", true}));
  for (const std::string target :
       {"*", "a.example:80", "alice", "http://", "http:///a", "http://:80/a", "http://b@a/",
        "ftp://a/b", "/a#b", "/a\x80", "/a\x01", "/a\x7f", "/a b", ""}) {
    BOOST_TEST_CONTEXT("target " << target) {
      BOOST_TEST(outcome_of("GET " + target + " HTTP/1.1\r\n" + host + "\r\n") == refusal(400));
    }
  }
}

BOOST_AUTO_TEST_CASE(request_lines_that_are_none) {
  for (const std::string line :
       {"GET /", "GET  / HTTP/1.1", " GET / HTTP/1.1", "GET / HTTP/1.1 ", "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1", "G(T / HTTP/1.1", "GET", "", "GET / http/1.1", "GET / HTTP/11",
        "GET / HTTP/1.x", "GET / XTTP/1.1"}) {
    BOOST_TEST_CONTEXT("line " << line) {
      // The blank line before it is the one that is skipped.
      BOOST_TEST(outcome_of("\r\n" + line + "\r\n" + host + "\r\n") == refusal(400));
    }
  }
  for (const std::string version : {"HTTP/2.0", "HTTP/0.9", "HTTP/3.0"}) {
    BOOST_TEST(outcome_of("GET / " + version + "\r\n" + host + "\r\n") == refusal(505));
  }
}

BOOST_AUTO_TEST_CASE(line_ends_that_are_none) {
  for (const std::string head :
       {"GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\n\r\n", "\nGET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nB: c\rd\r\n\r\n",
        "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "GET /\rHTTP/1.1\r\nHost: a\r\n\r\n"}) {
    BOOST_TEST_CONTEXT("head " << head) { BOOST_TEST(outcome_of(head) == refusal(400)); }
  }
}

BOOST_AUTO_TEST_CASE(fields_that_are_none) {
  using namespace std::string_literals;
  for (const std::string& field :
       {"A : b"s, "A\t: b"s, ": b"s, "A"s, "A b: c"s, " A: b"s, "\tA: b"s, "A: b\r\n c"s,
        "A: b\0c"s, "A: b\x01"s, "A: b\x7f"s, "A(: b"s, "\x80: b"s}) {
    BOOST_TEST_CONTEXT("field " << field) {
      BOOST_TEST(outcome_of(get + host + field + "\r\n\r\n") == refusal(400));
    }
  }
  BOOST_TEST(outcome_of(get + host + "A: caf\xc3\xa9\tb\r\n\r\n") == one(alice));
}

BOOST_AUTO_TEST_CASE(one_host) {
  BOOST_TEST(outcome_of(get + "\r\n") == refusal(400));
  BOOST_TEST(outcome_of(get + host + host + "\r\n") == refusal(400));
  for (const std::string bad : {"a b", "a/b", "a@b", "a:b", "a:1:2", "[::1", "[]", "[a]", "[::1]a",
                                "[1.2.3.4]", "[fe80::1%25lo]", "a%", "a%4", "a%4g", "a[]"}) {
    BOOST_TEST_CONTEXT("host " << bad) {
      BOOST_TEST(outcome_of(get + "Host: " + bad + "\r\n\r\n") == refusal(400));
    }
  }
  for (const std::string good : {"", ":80", "a:", "127.0.0.1:80", "[::1]:", "[::ffff:1.2.3.4]:80",
                                 "a%4A.b", "A_b~!$&'()*+,;="}) {
    BOOST_TEST_CONTEXT("host " << good) {
      BOOST_TEST(outcome_of(get + "Host: " + good + "\r\n\r\n") == one(alice));
    }
  }
  BOOST_TEST(outcome_of("GET / HTTP/1.0\r\n\r\n") == one({"GET", "/", "", "", false}));
  BOOST_TEST(outcome_of("GET / HTTP/1.0\r\n" + host + host + "\r\n") == refusal(400));
}

BOOST_AUTO_TEST_CASE(persistence) {
  const auto keeps = [](std::string_view version, std::string_view fields) {
    return outcome_of("GET / " + std::string(version) + "\r\n" + host + std::string(fields) +
                      "\r\n")
        .requests.at(0)
        .keep_alive;
  };
  BOOST_TEST(keeps("HTTP/1.1", ""));
  BOOST_TEST(!keeps("HTTP/1.1", "Connection: close\r\n"));
  BOOST_TEST(!keeps("HTTP/1.1", "Connection: TE,\tClose \r\n"));
  BOOST_TEST(!keeps("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
  BOOST_TEST(keeps("HTTP/1.1", "Connection: closed\r\n"));
  BOOST_TEST(!keeps("HTTP/1.0", ""));
  BOOST_TEST(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
  BOOST_TEST(!keeps("HTTP/1.0", "Connection: close, keep-alive\r\n"));
}

BOOST_AUTO_TEST_CASE(bodies_with_a_length) {
  const Seen with_body{"POST", "/v1/alice/likes", "", "abc", true};
  BOOST_TEST(outcome_of(post + host + "Content-Length: 3\r\n\r\nabc") == one(with_body));
  BOOST_TEST(outcome_of(post + host + "Content-Length: 3\r\ncontent-length: 03\r\n\r\nabc") ==
             one(with_body));
  BOOST_TEST(outcome_of(post + host + "Content-Length: 0\r\n\r\n") ==
             one({"POST", "/v1/alice/likes", "", "", true}));
  BOOST_TEST(outcome_of(post + host + "Content-Length: 3\r\n\r\nab") == (Outcome{{}, 0, true}));
  for (const std::string length :
       {"", "-1", "+3", "3 3", "3, 3", "0x3", "3a", "18446744073709551616"}) {
    BOOST_TEST_CONTEXT("length " << length) {
      BOOST_TEST(outcome_of(post + host + "Content-Length: " + length + "\r\n\r\nabc") ==
                 refusal(400));
    }
  }
  BOOST_TEST(outcome_of(post + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc") ==
             refusal(400));
}

BOOST_AUTO_TEST_CASE(bodies_in_chunks) {
  const std::string head = post + host + "Transfer-Encoding: chunked\r\n\r\n";
  const auto body = [](std::string text) {
    return one({"POST", "/v1/alice/likes", "", std::move(text), true});
  };
  BOOST_TEST(outcome_of(head + "3\r\nabc\r\n0\r\n\r\n") == body("abc"));
  BOOST_TEST(outcome_of(head + "0\r\n\r\n") == body(""));
  BOOST_TEST(
      outcome_of(head + "1\r\na\r\n02;x=y\r\nbc\r\nA\r\n0123456789\r\n0;z\r\nT: v\r\n\r\n") ==
      body("abc0123456789"));
  BOOST_TEST(outcome_of(post + host + "transfer-encoding:  Chunked \r\n\r\n1\r\n\n\r\n0\r\n\r\n") ==
             body("\n"));
  for (const std::string chunks :
       {"\r\n", "x\r\n", "-1\r\na\r\n", "+1\r\na\r\n", "0x1\r\na\r\n", " 1\r\na\r\n", "1 \r\na\r\n",
        "1\na\r\n", "1\r\nab\r\n", "1\r\na\n", "1;\x01\r\na\r\n", "0\r\nnot a field\r\n\r\n"}) {
    BOOST_TEST_CONTEXT("chunks " << chunks) {
      BOOST_TEST(outcome_of(head + chunks) == refusal(400));
    }
  }
  BOOST_TEST(outcome_of(head + "10001\r\n") == refusal(413));
  BOOST_TEST(outcome_of(head + "fffffffffffffffff\r\n") == refusal(413));
  BOOST_TEST(outcome_of(head + "1;" + std::string(300, 'x') + "\r\na\r\n0\r\n\r\n") ==
             refusal(400));
}

BOOST_AUTO_TEST_CASE(trailer_fields_change_nothing) {
  const std::string head = post + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n";
  BOOST_TEST(outcome_of(head + "Content-Length: 5\r\nConnection: close\r\nHost: b\r\n\r\n" + get +
                        host + "\r\n") ==
             (Outcome{{{"POST", "/v1/alice/likes", "", "", true}, alice}}));
}

BOOST_AUTO_TEST_CASE(framing_that_two_readers_could_take_differently) {
  for (const std::string fields :
       {"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: chunked;a=b\r\n",
        "Transfer-Encoding:\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding : chunked\r\n", "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding: \x0b"
        "chunked\r\n"}) {
    BOOST_TEST_CONTEXT("fields " << fields) {
      BOOST_TEST(outcome_of(post + host + fields + "\r\n0\r\n\r\n") == refusal(400));
    }
  }
  BOOST_TEST(outcome_of("POST / HTTP/1.0\r\n" + host +
                        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == refusal(400));
}

BOOST_AUTO_TEST_CASE(one_request_after_another) {
  const std::string chunked =
      post + host + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
  const std::string with_length = post + host + "Content-Length: 2\r\n\r\ncd";
  const Seen ab{"POST", "/v1/alice/likes", "", "ab", true};
  const Seen cd{"POST", "/v1/alice/likes", "", "cd", true};
  BOOST_TEST(outcome_of(get + host + "\r\n" + chunked + "\r\n" + with_length + get + host +
                        "\r\n") == (Outcome{{alice, ab, cd, alice}}));
  BOOST_TEST(outcome_of(with_length + "x\r\n") == (Outcome{{cd}, 400}));
}

BOOST_AUTO_TEST_CASE(what_is_too_long) {
  const RequestLimits limits{.head_bytes = 200, .target_bytes = 50, .body_bytes = 20};
  const auto with_target = [](std::size_t bytes) {
    return "GET /" + std::string(bytes - 1, 'a') + " HTTP/1.1\r\n" + host + "\r\n";
  };
  BOOST_TEST(outcome_of(with_target(50), limits).requests.size() == 1U);
  BOOST_TEST(outcome_of(with_target(51), limits) == refusal(414));
  BOOST_TEST(outcome_of("GET /" + std::string(5000, 'a'), limits) == refusal(414));

  const auto with_field = [](std::size_t head_bytes) {
    std::string head = get + host + "A: ";
    return head + std::string(head_bytes - head.size() - 4, 'b') + "\r\n\r\n";
  };
  BOOST_TEST(outcome_of(with_field(200), limits) == one(alice));
  BOOST_TEST(outcome_of(with_field(204), limits) == refusal(431));
  BOOST_TEST(outcome_of(get + host + "A: " + std::string(5000, 'b'), limits) == refusal(431));
  std::string many = get + host;
  for (int i = 0; i < 1000; ++i) many += "A:b\r\n";
  BOOST_TEST(outcome_of(many, limits) == refusal(431));

  const auto with_body = [](std::size_t bytes) {
    return post + host + "Content-Length: " + std::to_string(bytes) + "\r\n\r\n" +
           std::string(bytes, 'c');
  };
  BOOST_TEST(outcome_of(with_body(20), limits).requests.size() == 1U);
  BOOST_TEST(outcome_of(with_body(21), limits) == refusal(413));
  const std::string chunked = post + host + "Transfer-Encoding: chunked\r\n\r\n";
  const std::string ten = "a\r\n0123456789\r\n";
  BOOST_TEST(outcome_of(chunked + ten + ten + "0\r\n\r\n", limits).requests.size() == 1U);
  BOOST_TEST(outcome_of(chunked + ten + ten + "1\r\na\r\n0\r\n\r\n", limits) == refusal(413));
  std::string trailers = chunked + ten + "0\r\n";
  for (int i = 0; i < 100; ++i) trailers += "A: b\r\n";
  BOOST_TEST(outcome_of(trailers, limits) == refusal(431));
}

BOOST_AUTO_TEST_CASE(the_longest_body_in_the_smallest_chunks_fits_the_buffer) {
  const RequestLimits limits{.head_bytes = 128, .target_bytes = 64, .body_bytes = 4096};
  std::string bytes = post + host + "Transfer-Encoding: chunked\r\n\r\n";
  for (std::size_t i = 0; i < limits.body_bytes; ++i) bytes += "1;ext=\"0123456789\"\r\nz\r\n";
  bytes += "0\r\n\r\n";
  const Outcome whole = read_whole(bytes, limits);
  BOOST_REQUIRE_EQUAL(whole.requests.size(), 1U);
  BOOST_TEST(whole.requests[0].body == std::string(limits.body_bytes, 'z'));
}

BOOST_AUTO_TEST_CASE(expectations) {
  const std::string head = post + host + "Content-Length: 2\r\nExpect: 100-Continue\r\n\r\n";
  Connection connection(usual);
  connection.receive(head.substr(0, head.size() - 1));
  BOOST_TEST(!connection.reader().in_body());
  connection.receive("\n");
  BOOST_TEST(connection.reader().in_body());
  BOOST_TEST(connection.reader().expects_continue());
  BOOST_TEST(connection.reader().consumed() == head.size());
  connection.receive("ab");
  BOOST_TEST(connection.outcome() == one({"POST", "/v1/alice/likes", "", "ab", true}));

  BOOST_TEST(outcome_of(post + host + "Expect: tea\r\n\r\n") == refusal(417));
  Connection old(usual);
  old.receive("POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  BOOST_TEST(old.reader().in_body());
  BOOST_TEST(!old.reader().expects_continue());
}

BOOST_AUTO_TEST_CASE(fields_are_found_by_name) {
  const std::string bytes =
      get + host + "Idempotency-Key: \t k1 \r\nX:\r\nidempotency-key: k2\r\n\r\n";
  std::string buffer = bytes;
  RequestReader reader(usual);
  std::size_t size = buffer.size();
  BOOST_REQUIRE((reader.read(buffer.data(), size) == RequestReader::State::complete));
  const Request request = reader.request(buffer.data());
  BOOST_TEST(request.find("idempotency-KEY").value() == "k1");
  BOOST_TEST(request.find("host").value() == "a.example:8080");
  BOOST_TEST(request.find("x").value().empty());
  BOOST_TEST(!request.find("Idempotency").has_value());
  BOOST_TEST(!request.find("y").has_value());
}

/// Whatever the bytes: no crash (the sanitizers watch), no difference by how they are cut.
BOOST_AUTO_TEST_CASE(random_changes_are_read_the_same_however_cut) {
  const std::vector<std::string> seeds = {
      get + host + "Connection: close\r\n\r\n", post + host + "Content-Length: 4\r\n\r\nabcd",
      post + host + "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: v\r\n\r\n" + get +
          host + "\r\n"};
  constexpr std::string_view spice = "\r\n :;,\t0123456789abcfGETchunked\0\x7f\x80";
  std::mt19937 random(20261121);
  const auto below = [&random](std::size_t bound) { return random() % bound; };
  const RequestLimits limits{.head_bytes = 160, .target_bytes = 40, .body_bytes = 16};
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = seeds[below(seeds.size())];
    for (std::size_t change = below(4) + 1; change > 0; --change) {
      const std::size_t at = below(bytes.size());
      switch (below(3)) {
        case 0:
          bytes[at] = spice[below(spice.size())];
          break;
        case 1:
          bytes.insert(at, 1, spice[below(spice.size())]);
          break;
        default:
          bytes.erase(at, 1);
          break;
      }
    }
    const Outcome whole = read_whole(bytes, limits);
    Connection connection(limits);
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t piece = below(9) + 1;
      connection.receive(std::string_view(bytes).substr(at, piece));
      at += piece;
    }
    BOOST_REQUIRE_EQUAL(connection.outcome(), whole);
  }
}

BOOST_AUTO_TEST_SUITE_END()
