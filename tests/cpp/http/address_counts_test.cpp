#include "http/address_counts.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

#include "loadcore/net/endpoint.hpp"

using loadcore::http::AddressCounts;

namespace {

AddressCounts::Client client(const std::string& address) {
  const auto endpoint = loadcore::net::Endpoint::from_address(address, 80);
  BOOST_REQUIRE(endpoint.has_value());
  sockaddr_storage storage{};
  std::memcpy(&storage, endpoint->data(), endpoint->size());
  return AddressCounts::client_of(storage);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(address_counts)

BOOST_AUTO_TEST_CASE(a_client_is_an_ipv4_address_or_an_ipv6_network) {
  BOOST_TEST(client("127.0.0.1") == client("::ffff:127.0.0.1"));
  BOOST_TEST(client("2001:db8:1:2::1") == client("2001:db8:1:2:ffff:ffff:ffff:ffff"));
  const std::set<AddressCounts::Client> different = {
      client("127.0.0.1"),       client("127.0.0.2"),
      client("255.255.255.255"), client("::1"),
      client("2001:db8:1:2::1"), client("2001:db8:1:3::1"),
      client("2001:db9:1:2::1"), client("fe80::1")};
  BOOST_TEST(different.size() == 8U);
}

BOOST_AUTO_TEST_CASE(each_client_has_its_own_cap) {
  AddressCounts counts(2);
  const auto one = client("192.0.2.1");
  const auto other = client("192.0.2.2");
  BOOST_TEST(counts.add(one));
  BOOST_TEST(counts.add(one));
  BOOST_TEST(!counts.add(one));
  BOOST_TEST(counts.add(other));
  counts.remove(one);
  BOOST_TEST(counts.add(one));
  BOOST_TEST(!counts.add(one));
  for (int i = 0; i < 2; ++i) counts.remove(one);
  BOOST_TEST(counts.add(one));
}

BOOST_AUTO_TEST_SUITE_END()
