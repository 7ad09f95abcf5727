#include "loadcore/http/response_reader.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "response_streams.hpp"

using loadcore::http::ResponseReader;
using loadcore::http::test::Stream;
using loadcore::http::test::streams;
using State = ResponseReader::State;

namespace {

std::string word_of(const ResponseReader& reader) {
  return std::to_string(reader.status()) + (reader.keep_alive() ? "+ " : "- ");
}

/// What the reader says of a stream (see Stream::says) that comes in pieces, the next of which has
/// `piece_bytes(place)` bytes. Each piece is memory of its own, so that a sanitizer sees any byte
/// read outside of it.
std::string says(const Stream& stream, const std::function<std::size_t(std::size_t)>& piece_bytes) {
  ResponseReader reader;
  std::string words;
  reader.start(stream.to_head);
  for (std::size_t place = 0; place < stream.bytes.size();) {
    const std::size_t size = std::min(piece_bytes(place), stream.bytes.size() - place);
    const std::vector<char> piece(stream.bytes.data() + place, stream.bytes.data() + place + size);
    const auto result = reader.feed(piece.data(), piece.size());
    if (result.state == State::malformed) return words + "malformed";
    if (result.consumed == 0 || result.consumed > size) BOOST_FAIL("took what was not there");
    place += result.consumed;
    if (result.state == State::complete) {
      words += word_of(reader);
      reader.start(stream.to_head);
    } else if (result.consumed != size) {
      BOOST_FAIL("left a part of a piece");
    }
  }
  if (reader.untouched()) return words + "idle";
  return reader.finish() ? words + word_of(reader) + "closed" : words + "cut";
}

std::string says_whole(const Stream& stream) {
  return says(stream, [&](std::size_t) { return stream.bytes.size(); });
}

std::string says_byte_by_byte(const Stream& stream) {
  return says(stream, [](std::size_t) { return 1U; });
}

std::string says_randomly_cut(const Stream& stream, std::mt19937_64& random) {
  // Mostly short pieces, now and then a long one.
  std::geometric_distribution<std::size_t> size(random() % 2 == 0 ? 0.3 : 0.02);
  return says(stream, [&](std::size_t) { return size(random) + 1; });
}

/// For the sake of one limit: the cuts that matter are near the start and near the end.
bool is_long(const Stream& stream) { return stream.bytes.size() > 2000; }

std::string shown(const Stream& stream) { return stream.bytes.substr(0, 200); }

}  // namespace

BOOST_AUTO_TEST_SUITE(response_reader)

BOOST_AUTO_TEST_CASE(whole_streams) {
  for (const Stream& stream : streams()) {
    BOOST_TEST_CONTEXT(shown(stream)) { BOOST_TEST(says_whole(stream) == stream.says); }
  }
}

BOOST_AUTO_TEST_CASE(streams_cut_once_at_every_place) {
  for (const Stream& stream : streams()) {
    const std::size_t size = stream.bytes.size();
    for (std::size_t cut = 1; cut < size; ++cut) {
      if (cut == 300 && is_long(stream)) cut = size - 300;
      BOOST_TEST_CONTEXT(shown(stream) << " cut at " << cut) {
        BOOST_REQUIRE_EQUAL(
            says(stream, [&](std::size_t place) { return place < cut ? cut - place : size; }),
            stream.says);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(streams_byte_by_byte) {
  for (const Stream& stream : streams()) {
    BOOST_TEST_CONTEXT(shown(stream)) { BOOST_TEST(says_byte_by_byte(stream) == stream.says); }
  }
}

BOOST_AUTO_TEST_CASE(streams_cut_at_random) {
  std::mt19937_64 random(20261121);
  for (const Stream& stream : streams()) {
    for (int times = is_long(stream) ? 2 : 20; times > 0; --times) {
      BOOST_TEST_CONTEXT(shown(stream)) {
        BOOST_REQUIRE_EQUAL(says_randomly_cut(stream, random), stream.says);
      }
    }
  }
}

// No table thinks of everything: whatever a stream says, its cuts must not change it.
BOOST_AUTO_TEST_CASE(damaged_streams_say_the_same_however_cut) {
  std::mt19937_64 random(20261122);
  constexpr std::string_view spice("\r\n\t :,;0159afHh\0\x7f\x80\xff", 19);
  int well_formed = 0;
  for (int i = 0; i < 20'000; ++i) {
    Stream stream = streams()[random() % streams().size()];
    stream.bytes.resize(std::min<std::size_t>(stream.bytes.size(), 400));
    for (auto damages = random() % 3; damages-- > 0 && !stream.bytes.empty();) {
      const std::size_t place = random() % stream.bytes.size();
      const char byte = spice[random() % spice.size()];
      switch (random() % 3) {
        case 0:
          stream.bytes[place] = byte;
          break;
        case 1:
          stream.bytes.insert(place, 1, byte);
          break;
        default:
          stream.bytes.erase(place, 1);
      }
    }
    const std::string whole = says_whole(stream);
    if (!whole.ends_with("malformed")) ++well_formed;
    BOOST_TEST_CONTEXT(shown(stream)) {
      BOOST_REQUIRE_EQUAL(says_byte_by_byte(stream), whole);
      BOOST_REQUIRE_EQUAL(says_randomly_cut(stream, random), whole);
    }
  }
  BOOST_TEST(well_formed > 5'000);
  BOOST_TEST(well_formed < 15'000);
}

BOOST_AUTO_TEST_CASE(what_follows_an_answer_is_left_alone) {
  constexpr std::string_view bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 404";
  ResponseReader reader;
  reader.start(false);
  BOOST_TEST(reader.untouched());
  const auto first = reader.feed(bytes.data(), bytes.size());
  BOOST_TEST((first.state == State::complete));
  BOOST_TEST(first.consumed == bytes.size() - 12);
  BOOST_TEST(reader.status() == 200);

  // Nothing is taken until the next start.
  BOOST_TEST(reader.feed(bytes.data(), bytes.size()).consumed == 0U);
  BOOST_TEST(reader.status() == 200);
  reader.start(false);
  BOOST_TEST(reader.untouched());
  const auto second = reader.feed(bytes.data() + first.consumed, 12);
  BOOST_TEST((second.state == State::more));
  BOOST_TEST(second.consumed == 12U);
  BOOST_TEST(!reader.untouched());
  BOOST_TEST(!reader.finish());
}

BOOST_AUTO_TEST_CASE(nothing_comes_after_malformed) {
  constexpr std::string_view good = "HTTP/1.1 204 No Content\r\n\r\n";
  ResponseReader reader;
  reader.start(false);
  BOOST_TEST((reader.feed("nonsense\n", 9).state == State::malformed));
  BOOST_TEST((reader.feed(good.data(), good.size()).state == State::malformed));
  BOOST_TEST(!reader.finish());
  reader.start(false);
  BOOST_TEST((reader.feed(good.data(), good.size()).state == State::complete));
}

BOOST_AUTO_TEST_CASE(an_empty_piece_is_no_touch) {
  ResponseReader reader;
  reader.start(false);
  BOOST_TEST((reader.feed(nullptr, 0).state == State::more));
  BOOST_TEST(reader.untouched());
}

BOOST_AUTO_TEST_CASE(a_reader_is_small) { BOOST_TEST(sizeof(ResponseReader) <= 320U); }

BOOST_AUTO_TEST_SUITE_END()
