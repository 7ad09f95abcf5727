// Numbers, texts, frames and headers as the files have them.

#include "counter/codec.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "counter/frame.hpp"

using loadcore::counter::Entry;
using loadcore::counter::EntryReader;
using loadcore::counter::FrameBuilder;
using loadcore::counter::FrameHeader;
using loadcore::counter::matches;
using loadcore::counter::Parser;
using loadcore::counter::put;
using loadcore::counter::put_text;
using loadcore::counter::put_varint;
using loadcore::counter::SegmentHeader;

namespace {

std::string random_bytes(std::mt19937_64& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

/// Of any size: as many bits as chance will have.
std::uint64_t random_number(std::mt19937_64& random) { return random() >> (random() % 64); }

}  // namespace

BOOST_AUTO_TEST_SUITE(codec)

BOOST_AUTO_TEST_CASE(numbers_lie_little_end_first) {
  std::string out;
  put(out, std::uint32_t{0x01020304});
  put(out, std::uint64_t{0xA1B2C3D4E5F60718});
  BOOST_TEST(out == std::string("\x04\x03\x02\x01\x18\x07\xF6\xE5\xD4\xC3\xB2\xA1"));
  out.clear();
  put_varint(out, 0);
  put_varint(out, 127);
  put_varint(out, 128);
  put_varint(out, 300);
  BOOST_TEST(out == std::string("\x00\x7F\x80\x01\xAC\x02", 6));
}

BOOST_AUTO_TEST_CASE(what_was_put_together_comes_apart) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 500; ++round) {
    std::string out;
    std::vector<std::uint64_t> numbers;
    std::vector<std::string> texts;
    for (int i = 0; i < 20; ++i) {
      numbers.push_back(random_number(random));
      texts.push_back(random_bytes(random, random() % 256));
      put_varint(out, numbers.back());
      put_text(out, texts.back());
      put(out, numbers.back());
      put(out, static_cast<std::uint32_t>(numbers.back()));
    }
    Parser parser(out);
    for (int i = 0; i < 20; ++i) {
      BOOST_REQUIRE_EQUAL(parser.varint(), numbers[i]);
      BOOST_REQUIRE_EQUAL(parser.text(), texts[i]);
      BOOST_REQUIRE_EQUAL(parser.number<std::uint64_t>(), numbers[i]);
      BOOST_REQUIRE_EQUAL(parser.number<std::uint32_t>(), static_cast<std::uint32_t>(numbers[i]));
    }
    BOOST_REQUIRE(parser.at_end() && !parser.bad());
  }
}

BOOST_AUTO_TEST_CASE(the_largest_numbers_fit_and_no_larger_ones) {
  std::string out;
  put_varint(out, std::numeric_limits<std::uint64_t>::max());
  BOOST_TEST(out.size() == 10U);
  BOOST_TEST(Parser(out).varint() == std::numeric_limits<std::uint64_t>::max());
  for (const std::string& too_large :
       {std::string(9, '\xFF') + '\x02', std::string(10, '\xFF') + '\x01',
        std::string(10, '\x80') + std::string(1, '\0')}) {
    Parser parser(too_large);
    BOOST_TEST(parser.varint() == 0U);
    BOOST_TEST(parser.bad());
  }
}

BOOST_AUTO_TEST_CASE(a_parser_takes_any_bytes_and_stays_bad) {
  std::mt19937_64 random(2);
  int went_bad = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::string bytes = random_bytes(random, random() % 40);
    Parser parser(bytes);
    std::size_t taken = 0;
    while (!parser.bad() && !parser.at_end()) {
      switch (random() % 5) {
        case 0:
          parser.byte();
          taken += 1;
          break;
        case 1:
          parser.number<std::uint32_t>();
          taken += 4;
          break;
        case 2:
          parser.number<std::uint64_t>();
          taken += 8;
          break;
        case 3:
          parser.varint();
          taken += 1;  // or more
          break;
        default:
          taken += 1 + parser.text().size();
      }
      BOOST_REQUIRE(parser.bad() || taken <= bytes.size());
    }
    if (!parser.bad()) continue;
    ++went_bad;
    BOOST_REQUIRE(parser.at_end());
    BOOST_REQUIRE(parser.byte() == 0 && parser.number<std::uint64_t>() == 0 &&
                  parser.varint() == 0 && parser.text().empty() && parser.bad());
  }
  BOOST_TEST(went_bad > 1000);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(frame)

BOOST_AUTO_TEST_CASE(a_frame_holds_what_was_added) {
  FrameBuilder builder;
  for (std::uint64_t sequence = 5; sequence < 8; ++sequence) {  // the buffer is used again
    builder.begin();
    BOOST_TEST(builder.empty());
    builder.add("alice", 300);
    builder.add_keyed("bob", "a key", sequence);
    builder.add(std::string(128, 'u'), static_cast<std::uint64_t>(INT64_MAX));
    BOOST_TEST(!builder.empty());
    const std::string frame(builder.finish(77, sequence, -3));
    const FrameHeader header = FrameHeader::decode(frame);
    BOOST_TEST(header.sequence == sequence);
    BOOST_TEST(header.unix_ms == -3);
    BOOST_TEST(header.payload_bytes == frame.size() - FrameHeader::bytes);
    const std::string_view payload = std::string_view(frame).substr(FrameHeader::bytes);
    BOOST_TEST(matches(header, 77, payload));
    EntryReader entries(payload);
    auto entry = entries.next();
    BOOST_REQUIRE(entry);
    BOOST_TEST((entry->user == "alice" && entry->likes == 300 && entry->key.empty()));
    entry = entries.next();
    BOOST_REQUIRE(entry);
    BOOST_TEST((entry->user == "bob" && entry->likes == 1 && entry->key == "a key" &&
                entry->total == sequence));
    entry = entries.next();
    BOOST_REQUIRE(entry);
    BOOST_TEST(entry->likes == static_cast<std::uint64_t>(INT64_MAX));
    BOOST_TEST(!entries.next());
    BOOST_TEST(entries.complete());
  }
}

BOOST_AUTO_TEST_CASE(no_flipped_bit_no_other_salt_and_no_other_length_matches) {
  FrameBuilder builder;
  builder.begin();
  builder.add("alice", 1);
  builder.add_keyed("bob", "key", 2);
  std::string frame(builder.finish(77, 9, 1234));
  const auto sound = [](std::string_view bytes, std::uint64_t salt) {
    return matches(FrameHeader::decode(bytes), salt, bytes.substr(FrameHeader::bytes));
  };
  BOOST_REQUIRE(sound(frame, 77));
  BOOST_TEST(!sound(frame, 78));
  BOOST_TEST(!sound(frame + '\0', 77));
  BOOST_TEST(!sound(frame.substr(0, frame.size() - 1), 77));
  for (std::size_t bit = 0; bit < 8 * frame.size(); ++bit) {
    frame[bit / 8] = static_cast<char>(frame[bit / 8] ^ (1 << bit % 8));
    BOOST_TEST(!sound(frame, 77), "bit " << bit);
    frame[bit / 8] = static_cast<char>(frame[bit / 8] ^ (1 << bit % 8));
  }
}

BOOST_AUTO_TEST_CASE(entries_that_no_builder_writes_are_refused) {
  const auto complete = [](const std::string& payload) {
    EntryReader entries(payload);
    while (entries.next()) {
    }
    return entries.complete();
  };
  const std::string plain("\x01\x01u\x05", 4);
  const std::string keyed("\x02\x01u\x01k\x05", 6);
  BOOST_TEST(complete(plain + keyed));
  BOOST_TEST(!complete(std::string("\x03\x01u\x05", 4)));                // unknown kind
  BOOST_TEST(!complete(std::string("\x01\x00\x05", 3)));                 // no user
  BOOST_TEST(!complete("\x01\x81" + std::string(129, 'u') + '\x05'));    // a long one
  BOOST_TEST(!complete(std::string("\x01\x01u\x00", 4)));                // no likes
  BOOST_TEST(!complete(std::string("\x02\x01u\x00\x05", 5)));            // no key
  BOOST_TEST(!complete("\x01\x01u" + std::string(9, '\xFF') + '\x02'));  // beyond 64 bits
  for (std::size_t size = 1; size < keyed.size(); ++size) {
    BOOST_TEST(!complete(keyed.substr(0, size)));
  }
  std::mt19937_64 random(3);
  for (int round = 0; round < 20'000; ++round) {
    const std::string bytes = random_bytes(random, random() % 60);
    EntryReader entries(bytes);
    while (const auto entry = entries.next()) {
      BOOST_REQUIRE(!entry->user.empty() && entry->user.size() <= 128 && entry->likes > 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_segment_header_comes_back_or_is_damaged) {
  SegmentHeader header;
  header.salt = 0xFEDCBA9876543210;
  header.first_sequence = 12;
  header.epoch = 99;
  header.created_unix_ms = -1;
  std::string bytes = header.encode();
  BOOST_REQUIRE_EQUAL(bytes.size(), SegmentHeader::bytes);
  SegmentHeader read;
  BOOST_TEST((SegmentHeader::decode(bytes, read) == SegmentHeader::Fault::none));
  BOOST_TEST(read.salt == header.salt);
  BOOST_TEST(read.first_sequence == 12U);
  BOOST_TEST(read.epoch == 99U);
  BOOST_TEST(read.created_unix_ms == -1);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    BOOST_TEST((SegmentHeader::decode(bytes, read) == SegmentHeader::Fault::damaged));
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    BOOST_TEST((SegmentHeader::decode(std::string_view(bytes).substr(0, size), read) ==
                SegmentHeader::Fault::damaged));
  }
}

BOOST_AUTO_TEST_SUITE_END()
