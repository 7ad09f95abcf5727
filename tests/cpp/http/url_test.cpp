#include "loadcore/http/url.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>

#include "loadcore/base/error.hpp"

using loadcore::base::PlanError;
using loadcore::http::parse_url;
using loadcore::http::Url;

namespace {

void check(std::string_view text, const Url& expected) {
  BOOST_TEST_CONTEXT(text) {
    const Url url = parse_url(text);
    BOOST_TEST(url.host == expected.host);
    BOOST_TEST(url.port == expected.port);
    BOOST_TEST(url.unix_path == expected.unix_path);
    BOOST_TEST(url.authority == expected.authority);
    BOOST_TEST(url.target == expected.target);
  }
}

/// `part` is what the sentence must hold: what is wrong, or what to do.
void check_refused(std::string_view text, std::string_view part) {
  BOOST_TEST_CONTEXT(text) {
    try {
      parse_url(text);
      BOOST_ERROR("was taken");
    } catch (const PlanError& error) {
      const std::string_view sentence = error.what();
      BOOST_TEST(error.field() == "url");
      BOOST_TEST_CONTEXT(sentence) {
        BOOST_TEST(sentence.find(part) != sentence.npos);
        BOOST_TEST(sentence.find('\n') == sentence.npos);
        BOOST_TEST(!sentence.ends_with('.'));
      }
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(url)

BOOST_AUTO_TEST_CASE(names_and_addresses) {
  check("http://example.com", {"example.com", 80, "", "example.com", "/"});
  check("http://example.com/", {"example.com", 80, "", "example.com", "/"});
  check("HTTP://Example.COM/A", {"Example.COM", 80, "", "Example.COM", "/A"});
  check("http://localhost:8080/a/b", {"localhost", 8080, "", "localhost:8080", "/a/b"});
  check("http://h:80/", {"h", 80, "", "h", "/"});
  check("http://h:/", {"h", 80, "", "h", "/"});
  check("http://h:65535/", {"h", 65535, "", "h:65535", "/"});
  check("http://h:0080/", {"h", 80, "", "h", "/"});
  check("http://127.0.0.1:1/", {"127.0.0.1", 1, "", "127.0.0.1:1", "/"});
  check("http://[::1]/", {"::1", 80, "", "[::1]", "/"});
  check("http://[2001:db8::1]:8080", {"2001:db8::1", 8080, "", "[2001:db8::1]:8080", "/"});
  check("http://[::ffff:10.0.0.1]/", {"::ffff:10.0.0.1", 80, "", "[::ffff:10.0.0.1]", "/"});
  check("http://my_host-1.example./", {"my_host-1.example.", 80, "", "my_host-1.example.", "/"});
}

BOOST_AUTO_TEST_CASE(zones_stay_on_this_machine) {
  check("http://[fe80::1%25lo]:81/", {"fe80::1%lo", 81, "", "[fe80::1]:81", "/"});
  check("http://[fe80::1%251]/", {"fe80::1%1", 80, "", "[fe80::1]", "/"});
  check_refused("http://[fe80::1%lo]/", "%25eth0");
  check_refused("http://[fe80::1%25]/", "%25eth0");
  check_refused("http://[fe80::1%25no-such-interface]/", "network interface");
}

BOOST_AUTO_TEST_CASE(targets_pass_as_given) {
  check("http://h?q=1", {"h", 80, "", "h", "/?q=1"});
  check("http://h/a?", {"h", 80, "", "h", "/a?"});
  check("http://h/a%2Fb%c3%bc/../c?x=%20&y=/?:@",
        {"h", 80, "", "h", "/a%2Fb%c3%bc/../c?x=%20&y=/?:@"});
  check("http://h//double", {"h", 80, "", "h", "//double"});
  check("http://h/a#fragment?no-query", {"h", 80, "", "h", "/a"});
  check("http://h#fragment", {"h", 80, "", "h", "/"});
  check("http://h/!$&'()*+,;=-._~", {"h", 80, "", "h", "/!$&'()*+,;=-._~"});
}

BOOST_AUTO_TEST_CASE(unix_sockets) {
  check("http+unix://%2Frun%2Fa.sock/path?q", {"", 80, "/run/a.sock", "localhost", "/path?q"});
  check("http+unix://%2ftmp%2Fa%20b%3A1.sock", {"", 80, "/tmp/a b:1.sock", "localhost", "/"});
  check("http+unix://a.sock/", {"", 80, "a.sock", "localhost", "/"});
  check_refused("http+unix:///run/a.sock", "has no socket");
  check_refused("http+unix://%00abstract/", "NUL");
  check_refused("http+unix://" + std::string(108, 'a') + "/", "107 bytes");
  check_refused("http+unix://%2Frun%2/", "percent sign");
}

BOOST_AUTO_TEST_CASE(schemes) {
  check_refused("", "is empty");
  check_refused("example.com/path", "write http://example.com/path");
  check_refused("localhost:8080", "has no scheme");
  check_refused("//example.com", "has no scheme");
  check_refused("http:/example.com", "has no scheme");
  check_refused("https://example.com", "not supported yet");
  check_refused("HTTPS://example.com", "not supported yet");
  check_refused("ftp://example.com", "unknown scheme \"ftp\"");
  check_refused("://example.com", "unknown scheme \"\"");
}

BOOST_AUTO_TEST_CASE(hosts) {
  check_refused("http://", "has no host");
  check_refused("http:///path", "has no host");
  check_refused("http://:8080/", "has no host");
  check_refused("http://?q", "has no host");
  check_refused("http://user@h/", "Authorization");
  check_refused("http://user:secret@h:80/", "Authorization");
  check_refused("http://::1/", "in brackets");
  check_refused("http://h:1:2/", "in brackets");
  check_refused("http://[::1/", "closing bracket");
  check_refused("http://[::1]8080/", "after the bracket");
  check_refused("http://[]/", "no IPv6 address");
  check_refused("http://[127.0.0.1]/", "no IPv6 address");
  check_refused("http://[::1::2]/", "no IPv6 address");
  check_refused("http://[[::1]]/", "after the bracket");
  check_refused("http://[v1.x]/", "no IPv6 address");
  check_refused("http://h%41st/", "host");
  check_refused("http://h<a/", "host");
  check_refused("http://h\\a/", "host");
}

BOOST_AUTO_TEST_CASE(ports) {
  for (const char* url : {"http://h:0/", "http://h:65536/", "http://h:99999999999999999999/",
                          "http://h:-1/", "http://h:+1/", "http://h:8o/", "http://[::1]:x/"}) {
    check_refused(url, "1 to 65535");
  }
}

BOOST_AUTO_TEST_CASE(bytes_that_have_to_be_encoded) {
  check_refused("http://h/a b", "space at position 11");
  check_refused(" http://h/", "space at position 1;");
  check_refused("http://h/a\r\nEvil: 1", "position 11");
  check_refused("http://h/a\tb", "position 11");
  check_refused(std::string_view("http://h/a\0b", 12), "position 11");
  check_refused("http://h/\xc3\xbc", "position 10");
  check_refused("http://h/a\x7f", "position 11");
  check_refused("http://h/%", "percent sign");
  check_refused("http://h/%4", "percent sign");
  check_refused("http://h/?q=%zz", "percent sign");
  for (const char c : std::string_view("\"<>[\\]^`{|}")) {
    check_refused(std::string("http://h/?q=") + c, "percent-encoded");
  }
}

BOOST_AUTO_TEST_SUITE_END()
