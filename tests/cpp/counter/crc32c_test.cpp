#include "counter/crc32c.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

using loadcore::counter::crc32c;
using loadcore::counter::crc32c_portable;

namespace {

std::string counting(int from, int step) {
  std::string bytes;
  for (int i = 0; i < 32; ++i) bytes.push_back(static_cast<char>(from + i * step));
  return bytes;
}

/// RFC 3720, B.4: an iSCSI read command.
const std::string read_command(
    "\x01\xc0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x14\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x14\x00\x00\x00\x18"
    "\x28\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00",
    48);

std::string random_bytes(std::mt19937& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(checksum)

BOOST_AUTO_TEST_CASE(gives_the_values_of_rfc_3720) {
  for (const auto checksum : {crc32c, crc32c_portable}) {
    BOOST_TEST(checksum(std::string(32, '\0'), 0) == 0x8a9136aaU);
    BOOST_TEST(checksum(std::string(32, '\xff'), 0) == 0x62a8ab43U);
    BOOST_TEST(checksum(counting(0, 1), 0) == 0x46dd794eU);
    BOOST_TEST(checksum(counting(31, -1), 0) == 0x113fdb5cU);
    BOOST_TEST(checksum(read_command, 0) == 0xd9963a56U);
    BOOST_TEST(checksum("123456789", 0) == 0xe3069283U);
    BOOST_TEST(checksum("", 0) == 0U);
  }
}

BOOST_AUTO_TEST_CASE(the_instruction_and_the_tables_agree_at_any_size_and_alignment) {
  std::mt19937 random(7);
  const std::string bytes = random_bytes(random, 300);
  for (std::size_t from = 0; from < 9; ++from) {
    for (std::size_t size = 0; from + size <= bytes.size(); ++size) {
      const std::string_view part = std::string_view(bytes).substr(from, size);
      const auto start = static_cast<std::uint32_t>(random());
      BOOST_REQUIRE_EQUAL(crc32c(part, start), crc32c_portable(part, start));
    }
  }
}

BOOST_AUTO_TEST_CASE(goes_on_where_it_was_cut) {
  std::mt19937 random(8);
  const std::string bytes = random_bytes(random, 200);
  const std::uint32_t whole = crc32c(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const std::string_view view = bytes;
    BOOST_REQUIRE_EQUAL(crc32c(view.substr(cut), crc32c(view.substr(0, cut))), whole);
    BOOST_REQUIRE_EQUAL(crc32c_portable(view.substr(cut), crc32c_portable(view.substr(0, cut))),
                        whole);
  }
}

BOOST_AUTO_TEST_SUITE_END()
