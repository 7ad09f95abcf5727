#include "loadcore/histogram/encoding.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>

using loadcore::histogram::decode;
using loadcore::histogram::encode;
using loadcore::histogram::Histogram;

namespace {

constexpr std::size_t header_size = 40;

std::string big_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

struct Header {
  std::uint32_t cookie = 0x1c849313;
  std::uint32_t shift = 0;
  std::uint32_t digits = 3;
  std::uint64_t lowest = 1;
  std::uint64_t highest = static_cast<std::uint64_t>(Histogram::highest_ns);
};

std::string message(std::string_view counts, const Header& header = {}) {
  return big_endian(header.cookie, 4) + big_endian(counts.size(), 4) + big_endian(header.shift, 4) +
         big_endian(header.digits, 4) + big_endian(header.lowest, 8) +
         big_endian(header.highest, 8) + big_endian(0x3ff0000000000000, 8) + std::string(counts);
}

// What `data` is refused with; empty if it is accepted.
std::string refusal(std::string_view data) {
  try {
    decode(data);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return {};
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

Histogram random_histogram(unsigned seed, int size) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> magnitude(0.0, 41.7);
  std::uniform_int_distribution<std::uint64_t> count(1, 1'000'000);
  Histogram histogram;
  for (int i = 0; i < size; ++i) {
    histogram.record(static_cast<std::int64_t>(std::exp2(magnitude(random))), count(random));
  }
  return histogram;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(encoding)

BOOST_AUTO_TEST_CASE(bytes_are_those_of_the_format) {
  Histogram histogram;
  histogram.record(0);
  histogram.record(2, 64);
  histogram.record(6, 3);
  // 1 at 0, a lone zero, 64 at 2, three zeros, 3 at 6; as ZigZag 2, 0, 128, 5, 6.
  const std::string_view counts("\x02\x00\x80\x01\x05\x06", 6);
  BOOST_TEST((encode(histogram) == message(counts)));
  BOOST_TEST((decode(message(counts)) == histogram));
}

BOOST_AUTO_TEST_CASE(decoding_gives_back_what_was_encoded) {
  for (const int size : {0, 1, 2, 10, 1'000, 20'000}) {
    const Histogram histogram = random_histogram(static_cast<unsigned>(size), size);
    BOOST_TEST((decode(encode(histogram)) == histogram));
  }
}

BOOST_AUTO_TEST_CASE(the_ends_of_the_range_and_of_the_counts_survive) {
  Histogram histogram;
  histogram.record(0, std::numeric_limits<std::uint64_t>::max());
  histogram.record(Histogram::highest_ns, Histogram::count_max - 1);
  BOOST_TEST((decode(encode(histogram)) == histogram));
}

BOOST_AUTO_TEST_CASE(every_truncation_is_refused) {
  const std::string whole = encode(random_histogram(6, 40));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    BOOST_REQUIRE(!refusal(cut).empty());
    if (size < header_size) continue;
    // Also with a length that fits, where only the last count can tell. What is cut between two
    // counts is a sound encoding of fewer of them.
    const std::string patched = message(std::string_view(cut).substr(header_size));
    const std::string sentence = refusal(patched);
    BOOST_REQUIRE(sentence.empty() || contains(sentence, "last count is cut short"));
    const bool inside_a_count =
        size > header_size && (static_cast<unsigned char>(cut.back()) & 0x80) != 0;
    BOOST_REQUIRE_EQUAL(sentence.empty(), !inside_a_count);
  }
  BOOST_TEST(contains(refusal(whole + '\0'), "should take"));
}

BOOST_AUTO_TEST_CASE(any_flipped_bit_is_decoded_or_refused) {
  const std::string whole = encode(random_histogram(7, 30));
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    try {
      const Histogram histogram = decode(damaged);
      BOOST_REQUIRE((decode(encode(histogram)) == histogram));
    } catch (const std::invalid_argument&) {
      continue;  // any other exception fails the test
    }
  }
}

BOOST_AUTO_TEST_CASE(varints_that_are_too_long_are_refused) {
  BOOST_TEST(contains(refusal(message({"\x82\x00", 2})), "longer than it is"));
  BOOST_TEST(contains(refusal(message({"\x82\x80\x80\x80\x80\x80\x80\x80\x00", 9})), "longer"));
  // The ninth byte ends a number whatever its highest bit says, so these are two numbers.
  BOOST_TEST(decode(message("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x02")).count() ==
             Histogram::count_max);
}

BOOST_AUTO_TEST_CASE(counts_past_the_end_are_refused) {
  const auto last = Histogram::index_of(Histogram::highest_ns);
  // As many zeros as there are buckets, then one count.
  const auto zeros = [](std::uint64_t run) {
    std::string out;
    std::uint64_t rest = 2 * run - 1;
    for (; rest > 0x7f; rest >>= 7) out.push_back(static_cast<char>(rest | 0x80));
    out.push_back(static_cast<char>(rest));
    return out;
  };
  BOOST_TEST(decode(message(zeros(last) + '\x02')).count() == 1U);
  BOOST_TEST(decode(message(zeros(Histogram::buckets.size()))).empty());
  BOOST_TEST(contains(refusal(message(zeros(Histogram::buckets.size()) + '\x02')), "past the end"));
  BOOST_TEST(contains(refusal(message(zeros(Histogram::buckets.size()) + '\0')), "past the end"));
  BOOST_TEST(contains(refusal(message(zeros(Histogram::buckets.size() + 1))), "past the end"));
  // The longest run that can be written: -2^63.
  BOOST_TEST(contains(refusal(message("\xff\xff\xff\xff\xff\xff\xff\xff\xff")), "past the end"));
  // The array has room for up to 1.2 h; what lies there is no duration that can be kept.
  BOOST_TEST(contains(refusal(message(zeros(last + 1) + '\x02')), "highest that can be kept"));
}

BOOST_AUTO_TEST_CASE(other_encodings_are_refused_by_name) {
  BOOST_TEST(contains(refusal(message("", {.cookie = 0x1c849314})), "compressed"));
  BOOST_TEST(contains(refusal(message("", {.cookie = 0x1c849301})), "V2"));
  BOOST_TEST(contains(refusal(message("", {.cookie = 0})), "V2"));
  BOOST_TEST(decode(message("", {.cookie = 0x1c849303})).empty());
  BOOST_TEST(contains(refusal(message("", {.shift = 1})), "shifted"));
}

BOOST_AUTO_TEST_CASE(ranges_that_are_none_are_refused) {
  BOOST_TEST(contains(refusal(message("", {.digits = 6})), "6 significant digits"));
  BOOST_TEST(contains(refusal(message("", {.digits = 0xffffffff})), "significant digits"));
  BOOST_TEST(contains(refusal(message("", {.lowest = 0})), "a range from 0"));
  BOOST_TEST(contains(refusal(message("", {.lowest = 10, .highest = 19})), "which is none"));
  BOOST_TEST(contains(refusal(message("", {.highest = std::uint64_t{1} << 63})), "which is none"));
  BOOST_TEST(contains(
      refusal(message("", {.lowest = std::uint64_t{1} << 60, .highest = std::uint64_t{1} << 62})),
      "too short"));
}

BOOST_AUTO_TEST_CASE(other_ranges_and_digits_are_recorded_anew_by_value) {
  // Five digits from 1: the first 2^18 values have a bucket each. One observation of 200,000,
  // after that many zeros: ZigZag 399,999.
  const std::string fine = message("\xff\xb4\x18\x02", {.digits = 5});
  Histogram expected;
  expected.record(200'000);
  BOOST_TEST((decode(fine) == expected));

  // Two digits, lowest 1000 (so buckets of 512): index 3 is 1536 to 2047, kept at its middle.
  const std::string coarse = message("\x05\x02", {.digits = 2, .lowest = 1000});
  Histogram middle;
  middle.record(1536 + 256);
  BOOST_TEST((decode(coarse) == middle));

  // A shorter range of the same digits has the same buckets, only fewer.
  const std::string shorter = message("\x05\x02", {.highest = 1'000'000});
  Histogram three;
  three.record(3);
  BOOST_TEST((decode(shorter) == three));
}

BOOST_AUTO_TEST_CASE(values_above_an_hour_are_refused_and_an_hour_is_not) {
  // One digit up to 2^62: index 32 * 16 and on are far above an hour.
  const Header wide{.digits = 1, .highest = std::uint64_t{1} << 62};
  // 700 zeros (ZigZag 1399), then one.
  BOOST_TEST(contains(refusal(message("\xf7\x0a\x02", wide)), "highest that can be kept"));
  // The bucket that holds one hour is 2^37 wide here and its middle lies above the hour.
  const loadcore::histogram::Buckets theirs(0, 5, std::uint64_t{1} << 62);
  const auto hour = theirs.index_of(static_cast<std::uint64_t>(Histogram::highest_ns));
  const std::uint64_t zigzag = 2 * hour - 1;
  const std::string zeros{static_cast<char>((zigzag & 0x7f) | 0x80),
                          static_cast<char>(zigzag >> 7)};
  const Histogram histogram = decode(message(zeros + '\x02', wide));
  BOOST_TEST(histogram.count() == 1U);
  const auto lowest = static_cast<std::int64_t>(theirs.lowest_of(hour));
  BOOST_TEST(histogram.min() >= lowest);
  BOOST_TEST(histogram.min() <= Histogram::highest_ns);
}

BOOST_AUTO_TEST_CASE(counts_that_overflow_together_stop_at_the_limit) {
  const std::string_view most("\xfe\xff\xff\xff\xff\xff\xff\xff\xff");
  const Histogram histogram = decode(message(std::string(most) + std::string(most)));
  BOOST_TEST(histogram.count() == Histogram::count_max);
  // Many buckets of one digit fall into one of ours only where theirs are finer: five digits.
  const std::string zeros = "\xff\xb4\x18";  // up to 200,000, where ours are 128 wide
  const Histogram together =
      decode(message(zeros + std::string(most) + std::string(most), {.digits = 5}));
  BOOST_TEST(together.count() == Histogram::count_max);
  BOOST_TEST((decode(encode(together)) == together));
}

BOOST_AUTO_TEST_SUITE_END()
