#include "loadcore/net/resolve.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>

#include "loadcore/base/error.hpp"

using loadcore::base::RunError;
using loadcore::net::Endpoint;
using loadcore::net::Purpose;
using loadcore::net::resolve;

namespace {

void check_refused(const std::string& host, Purpose purpose, std::string_view part) {
  BOOST_TEST_CONTEXT(host) {
    try {
      resolve(host, 80, purpose);
      BOOST_ERROR("was resolved");
    } catch (const RunError& error) {
      const std::string_view sentence = error.what();
      BOOST_TEST_CONTEXT(sentence) {
        BOOST_TEST(sentence.find(part) != sentence.npos);
        BOOST_TEST(!sentence.ends_with('.'));
      }
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(resolving)

BOOST_AUTO_TEST_CASE(what_needs_no_name_server) {
  for (const Purpose purpose : {Purpose::connect, Purpose::listen}) {
    BOOST_TEST(resolve("127.0.0.1", 80, purpose).at(0).text() == "127.0.0.1:80");
    BOOST_TEST(resolve("[::1]", 80, purpose).at(0).text() == "[::1]:80");
    BOOST_TEST(resolve("::", 80, purpose).at(0).text() == "[::]:80");
    BOOST_TEST(resolve("/run/a.sock", 80, purpose).at(0).text() == "/run/a.sock");
  }
}

BOOST_AUTO_TEST_CASE(localhost_is_loopback_each_address_once) {
  const auto found = resolve("localhost", 8080, Purpose::listen);
  BOOST_REQUIRE(!found.empty());
  for (const Endpoint& endpoint : found) {
    BOOST_TEST((endpoint.host().starts_with("127.") || endpoint.host() == "::1"));
    BOOST_TEST(endpoint.port() == 8080);
    BOOST_TEST(std::ranges::count(found, endpoint) == 1);
  }
}

BOOST_AUTO_TEST_CASE(to_listen_no_host_means_every_address) {
  const auto found = resolve("", 8080, Purpose::listen);
  BOOST_TEST(std::ranges::count(found, *Endpoint::from_address("0.0.0.0", 8080)) == 1);
}

BOOST_AUTO_TEST_CASE(what_has_no_address) {
  check_refused("", Purpose::connect, "the name is empty");
  check_refused("no such name", Purpose::connect, "no address for \"no such name\"");
  check_refused("/" + std::string(200, 'a'), Purpose::listen, "107 bytes");
  check_refused(std::string("local\0host", 10), Purpose::connect, "NUL");
}

BOOST_AUTO_TEST_SUITE_END()
