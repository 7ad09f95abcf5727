#include "loadcore/http/request.hpp"

#include <boost/beast/http.hpp>
#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>

#include "loadcore/base/error.hpp"
#include "loadcore/base/version.hpp"

using loadcore::base::PlanError;
using loadcore::http::RequestSpec;
using loadcore::http::serialize;

namespace {

const std::string agent = "loadcore/" + std::string(loadcore::base::version());

RequestSpec spec_of(std::string method,
                    std::vector<std::pair<std::string, std::string>> headers = {},
                    std::string body = {}) {
  return {std::move(method), loadcore::http::parse_url("http://host:81/a?b"), std::move(headers),
          std::move(body)};
}

void check_refused(const RequestSpec& spec, std::string_view field, std::string_view part) {
  BOOST_TEST_CONTEXT(part) {
    try {
      serialize(spec);
      BOOST_ERROR("was taken");
    } catch (const PlanError& error) {
      const std::string_view sentence = error.what();
      BOOST_TEST(error.field() == field);
      BOOST_TEST_CONTEXT(sentence) {
        BOOST_TEST(sentence.find(part) != sentence.npos);
        BOOST_TEST(sentence.find_first_of("\r\n") == sentence.npos);
        BOOST_TEST(!sentence.ends_with('.'));
      }
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(request)

BOOST_AUTO_TEST_CASE(what_is_added) {
  BOOST_TEST(serialize(spec_of("GET")) == "GET /a?b HTTP/1.1\r\nHost: host:81\r\nUser-Agent: " +
                                              agent + "\r\nAccept: */*\r\n\r\n");
  for (const char* method : {"POST", "PUT", "PATCH"}) {
    BOOST_TEST(serialize(spec_of(method)).ends_with("\r\nContent-Length: 0\r\n\r\n"));
  }
  for (const char* method : {"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PURGE"}) {
    BOOST_TEST(serialize(spec_of(method)).find("Content-Length") == std::string::npos);
  }
  BOOST_TEST(serialize(spec_of("GET", {}, "hello")).ends_with("Content-Length: 5\r\n\r\nhello"));
}

BOOST_AUTO_TEST_CASE(what_is_given_takes_the_place_of_what_is_added) {
  const auto bytes = serialize(spec_of("POST",
                                       {{"X-A", "1"},
                                        {"user-agent", "me"},
                                        {"accept", "text/html"},
                                        {"X-B", " \t2 3\t "},
                                        {"content-length", "2"},
                                        {"X-A", "4"},
                                        {"X-Empty", ""},
                                        {"host", "other"}},
                                       "hi"));
  BOOST_TEST(
      bytes ==
      "POST /a?b HTTP/1.1\r\nHost: other\r\nX-A: 1\r\nuser-agent: me\r\naccept: text/html\r\n"
      "X-B: 2 3\r\ncontent-length: 2\r\nX-A: 4\r\nX-Empty: \r\n\r\nhi");
}

BOOST_AUTO_TEST_CASE(bodies_are_bytes) {
  const std::string body("\0\r\n\xff", 4);
  BOOST_TEST(serialize(spec_of("PUT", {}, body)).ends_with("Content-Length: 4\r\n\r\n" + body));
}

BOOST_AUTO_TEST_CASE(a_server_reads_the_same) {
  namespace http = boost::beast::http;
  const auto bytes = serialize(spec_of("PATCH", {{"X-A", "\xc3\xbc"}}, "hello"));
  http::request_parser<http::string_body> parser;
  parser.eager(true);
  boost::beast::error_code error;
  const auto taken = parser.put(boost::asio::buffer(bytes), error);
  BOOST_TEST(!error.failed());
  BOOST_TEST(taken == bytes.size());
  BOOST_TEST(parser.is_done());
  BOOST_TEST(parser.get().method_string() == "PATCH");
  BOOST_TEST(parser.get().target() == "/a?b");
  BOOST_TEST(parser.get()["Host"] == "host:81");
  BOOST_TEST(parser.get()["x-a"] == "\xc3\xbc");
  BOOST_TEST(parser.get().body() == "hello");
  BOOST_TEST(parser.keep_alive());
}

BOOST_AUTO_TEST_CASE(methods) {
  BOOST_TEST(serialize(spec_of("x-Custom!")).starts_with("x-Custom! /a?b HTTP/1.1\r\n"));
  for (const char* method : {"", "GE T", "GET ", "GET\r\n", "G\xc3", "GET/", "(GET)"}) {
    check_refused(spec_of(method), "method", "no HTTP method");
  }
  check_refused(spec_of("CONNECT"), "method", "proxies");
}

BOOST_AUTO_TEST_CASE(headers) {
  for (const char* name : {"", "A B", "A:", ":A", "A\r", "A\nB", " A", "A ", "\xc3", "A(", "A\""}) {
    check_refused(spec_of("GET", {{name, "b"}}), "headers", "a name is letters");
  }
  for (const char* value : {"b\r\nEvil: 1", "\n", "b\r", "b\n c"}) {
    check_refused(spec_of("GET", {{"A", value}}), "headers", "newline in the value of \"A\"");
  }
  check_refused(spec_of("GET", {{"A", std::string("b\0c", 3)}}), "headers", "control byte");
  check_refused(spec_of("GET", {{"A", "b\x1b[0m"}}), "headers", "control byte");
  check_refused(spec_of("GET", {{"A", "\x7f"}}), "headers", "control byte");
  check_refused(spec_of("GET", {{"Host", "a"}, {"host", "a"}}), "headers", "Host more than once");
  check_refused(spec_of("GET", {{"User-Agent", "a"}, {"user-agent", "a"}}), "headers", "once");
}

BOOST_AUTO_TEST_CASE(framing_by_hand) {
  check_refused(spec_of("POST", {{"transfer-encoding", "chunked"}}, "x"), "headers",
                "Transfer-Encoding");
  for (const char* length : {"1", "3", "02", "+2", "2, 2", "", "two", "18446744073709551618"}) {
    check_refused(spec_of("POST", {{"Content-Length", length}}, "hi"), "headers", "of 2 bytes");
  }
  check_refused(spec_of("POST", {{"Content-Length", "2"}, {"Content-Length", "2"}}, "hi"),
                "headers", "Content-Length more than once");
  BOOST_TEST(serialize(spec_of("GET", {{"Content-Length", " 0 "}}))
                 .ends_with("Content-Length: 0\r\n\r\n"));
}

BOOST_AUTO_TEST_SUITE_END()
