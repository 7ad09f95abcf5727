#include "loadcore/http/url.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "loadcore/base/error.hpp"
#include "loadcore/net/endpoint.hpp"

// Boost.URL would do this, but Boost has it as a compiled library only, and the build brings
// headers.

namespace loadcore::http {
namespace {

[[noreturn]] void refuse(const std::string& sentence) { throw base::PlanError("url", sentence); }

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

constexpr bool is_unreserved(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("-._~").find(c) != std::string_view::npos;
}

constexpr bool is_sub_delimiter(char c) noexcept {
  return std::string_view("!$&'()*+,;=").find(c) != std::string_view::npos;
}

std::optional<unsigned> hex_value(char c) noexcept {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  const char lower = static_cast<char>(c | 0x20);
  if (lower >= 'a' && lower <= 'f') return static_cast<unsigned>(lower - 'a' + 10);
  return std::nullopt;
}

/// The byte that the percent sign at `at` encodes.
char decoded_byte(std::string_view text, std::size_t at) {
  if (at + 2 < text.size()) {
    const auto high = hex_value(text[at + 1]);
    const auto low = hex_value(text[at + 2]);
    if (high && low) return static_cast<char>(*high << 4U | *low);
  }
  refuse("has a percent sign that two hexadecimal digits do not follow; write %25 for the sign");
}

std::string decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool encoded = text[i] == '%';
    decoded += encoded ? decoded_byte(text, i) : text[i];
    if (encoded) i += 2;
  }
  return decoded;
}

void check_bytes(std::string_view text) {
  const auto bad = std::ranges::find_if(text, [](char c) { return c <= ' ' || c >= 0x7f; });
  if (bad == text.end()) return;
  const auto place = std::to_string(bad - text.begin() + 1);
  if (*bad == ' ') refuse("has a space at position " + place + "; write %20 for it");
  refuse("has a byte at position " + place +
         " that is no printable ASCII character; write it percent-encoded");
}

/// The scheme in lower case; what is left of `text` begins after "://".
std::string take_scheme(std::string_view& text) {
  const auto end = text.find("://");
  if (end == text.npos) refuse("has no scheme; write http://" + std::string(text));
  std::string scheme(text.substr(0, end));
  for (char& c : scheme) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  text.remove_prefix(end + 3);
  if (scheme == "http" || scheme == "http+unix") return scheme;
  if (scheme == "https") refuse("is https, which is not supported yet; use http");
  refuse("has the unknown scheme " + quoted(scheme) + "; use http or http+unix");
}

/// Path and query as given, without the fragment (RFC 9110 section 7.1).
std::string parse_target(std::string_view text) {
  text = text.substr(0, text.find('#'));
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '%') decoded_byte(text, i);
    if (c != '%' && !is_unreserved(c) && !is_sub_delimiter(c) &&
        std::string_view(":@/?").find(c) == std::string_view::npos) {
      refuse("has " + quoted(text.substr(i, 1)) +
             " in its path or query, where RFC 3986 does not allow it; write it percent-encoded");
    }
  }
  return text.starts_with('/') ? std::string(text) : '/' + std::string(text);
}

std::uint16_t parse_port(std::string_view text) {
  constexpr std::uint16_t default_port = 80;
  if (text.empty()) return default_port;  // RFC 3986 section 3.2.3: "http://host:" has the default
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    refuse("has the port " + quoted(text) + "; use a number from 1 to 65535");
  }
  return port;
}

/// `[address]` or `[address%25zone]` (RFC 6874). The zone means something on this machine only, so
/// the Host field goes without it.
void take_ipv6(std::string_view literal, Url& url) {
  const auto percent = literal.find('%');
  const std::string_view address = literal.substr(0, percent);
  if (address.find(':') == address.npos || !net::Endpoint::from_address(address, 0)) {
    refuse("has " + quoted(literal) + " in brackets, which is no IPv6 address; write [::1], say");
  }
  url.host = address;
  url.authority = '[' + url.host + ']';
  if (percent == literal.npos) return;
  const std::string_view zone = literal.substr(percent);
  if (!zone.starts_with("%25") || zone.size() == 3) {
    refuse("has the IPv6 zone " + quoted(zone) + "; write it as in [fe80::1%25eth0]");
  }
  url.host += '%' + decode(zone.substr(3));
  if (!net::Endpoint::from_address(url.host, 0)) {
    refuse("names the network interface " + quoted(zone.substr(3)) +
           ", which this machine does not have; `ip link` lists them");
  }
}

void take_name(std::string_view name, Url& url) {
  if (name.empty()) refuse("has no host; write http://host/path");
  for (const char c : name) {
    if (!is_unreserved(c) && !is_sub_delimiter(c)) {
      refuse("has " + quoted({&c, 1}) + " in the host " + quoted(name) +
             "; a host is a name, an IPv4 address, or an IPv6 address in brackets");
    }
  }
  url.host = name;
  url.authority = name;
}

void take_authority(std::string_view text, Url& url) {
  const bool bracketed = text.starts_with('[');
  const auto bracket = text.find(']');
  if (bracketed && bracket == text.npos) refuse("has an IPv6 address without its closing bracket");
  const auto host_end = bracketed ? bracket + 1 : std::min(text.rfind(':'), text.size());
  const std::string_view host = text.substr(0, host_end);
  const std::string_view rest = text.substr(host_end);
  if (!bracketed && host.find(':') != host.npos) {
    refuse("has several colons in the host " + quoted(text) +
           "; write an IPv6 address in brackets, as in http://[::1]:8080/");
  }
  if (!rest.empty() && rest.front() != ':') {
    refuse("has " + quoted(rest) + " after the bracket; only a colon and the port may follow");
  }
  if (bracketed) {
    take_ipv6(host.substr(1, host.size() - 2), url);
  } else {
    take_name(host, url);
  }
  url.port = parse_port(rest.substr(rest.empty() ? 0 : 1));
  if (url.port != 80) url.authority += ':' + std::to_string(url.port);
}

void take_socket(std::string_view text, Url& url) {
  if (text.empty()) refuse("has no socket; write http+unix://%2Frun%2Fa.sock/path");
  url.unix_path = decode(text);
  if (!net::Endpoint::from_path(url.unix_path)) {
    refuse("has a socket path that holds a NUL byte or more than " +
           std::to_string(net::Endpoint::path_bytes_max) + " bytes; use another");
  }
  url.authority = "localhost";  // a field that has to be there, and what curl sends
}

}  // namespace

Url parse_url(std::string_view text) {
  if (text.empty()) refuse("is empty; write http://host/path");
  check_bytes(text);
  const std::string scheme = take_scheme(text);
  const std::string_view authority = text.substr(0, text.find_first_of("/?#"));
  if (authority.find('@') != authority.npos) {
    refuse("has a user name or password; send an Authorization header instead");
  }
  Url url;
  if (scheme == "http") {
    take_authority(authority, url);
  } else {
    take_socket(authority, url);
  }
  url.target = parse_target(text.substr(authority.size()));
  return url;
}

}  // namespace loadcore::http
