#include "http/scan.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <vector>

using namespace loadcore::http;

namespace {

template <typename Wanted, typename Block>
void check_against_one_by_one() {
  std::mt19937_64 random(20261121);
  for (int i = 0; i < 20'000; ++i) {
    std::vector<char> bytes(random() % 50);
    // Bytes wanted are rare in some, as common as any in others.
    const bool rare = random() % 2 == 0;
    for (char& byte : bytes) byte = static_cast<char>(rare && random() % 16 != 0 ? 'a' : random());
    const char* expected = bytes.data();
    const char* const end = bytes.data() + bytes.size();
    while (expected != end && !Wanted::is(*expected)) ++expected;
    BOOST_REQUIRE((find<Wanted, Block>(bytes.data(), end) == expected));
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(scan)

BOOST_AUTO_TEST_CASE(words_find_what_bytes_find) {
  check_against_one_by_one<Control, WordBlock>();
  check_against_one_by_one<NameEnd, WordBlock>();
}

BOOST_AUTO_TEST_CASE(blocks_find_what_bytes_find) {
  check_against_one_by_one<Control, Block>();
  check_against_one_by_one<NameEnd, Block>();
}

BOOST_AUTO_TEST_SUITE_END()
