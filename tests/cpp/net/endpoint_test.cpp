#include "loadcore/net/endpoint.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>

using loadcore::net::Endpoint;

BOOST_AUTO_TEST_SUITE(endpoint)

BOOST_AUTO_TEST_CASE(addresses) {
  const struct {
    std::string_view address, text;
    int family;
  } cases[] = {
      {"127.0.0.1", "127.0.0.1:80", AF_INET},
      {"0.0.0.0", "0.0.0.0:80", AF_INET},
      {"::1", "[::1]:80", AF_INET6},
      {"[::1]", "[::1]:80", AF_INET6},
      {"::", "[::]:80", AF_INET6},
      {"2001:DB8:0:0::1", "[2001:db8::1]:80", AF_INET6},
      {"::ffff:10.0.0.1", "[::ffff:10.0.0.1]:80", AF_INET6},
      {"fe80::1%lo", "[fe80::1%lo]:80", AF_INET6},
      {"fe80::1%1", "[fe80::1%lo]:80", AF_INET6},
  };
  for (const auto& [address, text, family] : cases) {
    BOOST_TEST_CONTEXT(address) {
      const auto endpoint = Endpoint::from_address(address, 80);
      BOOST_REQUIRE(endpoint.has_value());
      BOOST_TEST(endpoint->text() == text);
      BOOST_TEST(endpoint->family() == family);
      BOOST_TEST(endpoint->port() == 80);
      BOOST_TEST((Endpoint(endpoint->data(), endpoint->size()) == *endpoint));
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_address) {
  for (const std::string_view text :
       {"", "localhost", "127.1", "127.0.0.256", "1.2.3.4.5", "0x7f.0.0.1", "[127.0.0.1]", "[::1",
        "::1]", "[]", ":::", "1:2", "::1%", "fe80::1%no-such-interface", "fe80::1%0", "::1 ",
        " ::1", "%lo", "127.0.0.1%lo"}) {
    BOOST_TEST(!Endpoint::from_address(text, 80).has_value(), text);
  }
  BOOST_TEST(!Endpoint::from_address({"127.0.0.1\0", 10}, 80).has_value());
  BOOST_TEST(!Endpoint::from_address(std::string(500, '1'), 80).has_value());
}

BOOST_AUTO_TEST_CASE(paths) {
  const auto endpoint = Endpoint::from_path("/run/a.sock");
  BOOST_REQUIRE(endpoint.has_value());
  BOOST_TEST(endpoint->text() == "/run/a.sock");
  BOOST_TEST(endpoint->family() == AF_UNIX);
  BOOST_TEST(endpoint->port() == 0);

  const std::string longest(Endpoint::path_bytes_max, 'a');
  BOOST_TEST(Endpoint::from_path(longest)->text() == longest);
  BOOST_TEST(!Endpoint::from_path(longest + 'a').has_value());
  BOOST_TEST(!Endpoint::from_path("").has_value());
  BOOST_TEST(!Endpoint::from_path({"a\0b", 3}).has_value());
}

BOOST_AUTO_TEST_CASE(equality) {
  const auto address = [](std::string_view text, std::uint16_t port) {
    return *Endpoint::from_address(text, port);
  };
  BOOST_TEST((address("::1", 80) == address("0::1", 80)));
  BOOST_TEST((address("::1", 80) != address("::1", 81)));
  BOOST_TEST((address("127.0.0.1", 80) != address("::1", 80)));
}

// The calls that it is made for take it.
BOOST_AUTO_TEST_CASE(binds) {
  const auto wanted = Endpoint::from_address("127.0.0.1", 0);
  const int socket = ::socket(wanted->family(), SOCK_STREAM, 0);
  BOOST_REQUIRE(socket >= 0);
  BOOST_TEST(::bind(socket, wanted->data(), wanted->size()) == 0);
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  BOOST_TEST(::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) == 0);
  ::close(socket);
  const Endpoint found(reinterpret_cast<const sockaddr*>(&bound), size);
  BOOST_TEST(found.host() == "127.0.0.1");
  BOOST_TEST(found.port() != 0);
}

BOOST_AUTO_TEST_SUITE_END()
