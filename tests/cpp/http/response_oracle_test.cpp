#include <boost/beast/http.hpp>
#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "response_streams.hpp"

// A parser by somebody else, on the same streams. Where it differs, the stream says why, and a
// difference that has gone fails too.

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using loadcore::http::test::Stream;

/// A body that is read and not kept, however long it says it is.
struct Discarded {
  using value_type = int;
  struct reader {
    template <bool is_request, typename Fields>
    reader(http::header<is_request, Fields>&, value_type&) {}
    void init(const boost::optional<std::uint64_t>&, beast::error_code& error) { error = {}; }
    template <typename Buffers>
    std::size_t put(const Buffers& buffers, beast::error_code& error) {
      error = {};
      return beast::buffer_bytes(buffers);
    }
    void finish(beast::error_code& error) { error = {}; }
  };
};

using Parser = http::response_parser<Discarded>;

std::string word_of(const Parser& parser) {
  return std::to_string(parser.get().result_int()) + (parser.keep_alive() ? "+ " : "- ");
}

/// Takes one message off `rest`; the error is need_more where it goes on behind the end.
beast::error_code read(Parser& parser, std::string_view& rest) {
  beast::error_code error = http::error::need_more;
  while (!rest.empty() && !parser.is_done()) {
    const std::size_t taken = parser.put(asio::buffer(rest), error);
    rest.remove_prefix(taken);
    if (error) break;
  }
  return parser.is_done() ? beast::error_code() : error ? error : http::error::need_more;
}

std::string beast_says(const Stream& stream) {
  std::string words;
  bool after_interim = false;
  std::string_view rest = stream.bytes;
  while (!rest.empty()) {
    Parser parser;
    parser.eager(true);
    parser.skip(stream.to_head);
    parser.body_limit(boost::none);
    parser.header_limit(64 * 1024);
    beast::error_code error = read(parser, rest);
    if (error && error != http::error::need_more) return words + "malformed";
    if (error) {
      parser.put_eof(error);
      return error ? words + "cut" : words + word_of(parser) + "closed";
    }
    after_interim = parser.get().result_int() < 200;
    if (!after_interim) words += word_of(parser);
  }
  return words + (after_interim ? "cut" : "idle");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(response_oracle)

BOOST_AUTO_TEST_CASE(beast_agrees_but_where_it_is_known_not_to) {
  for (const Stream& stream : loadcore::http::test::streams()) {
    BOOST_TEST_CONTEXT(stream.bytes.substr(0, 200)) {
      if (stream.beast_differs == nullptr) {
        BOOST_TEST(beast_says(stream) == stream.says);
      } else {
        BOOST_TEST(beast_says(stream) != stream.says);
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
