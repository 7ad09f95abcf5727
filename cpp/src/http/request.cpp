#include "loadcore/http/request.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "loadcore/base/error.hpp"
#include "loadcore/base/version.hpp"

namespace loadcore::http {
namespace {

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

bool same_name(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, {}, lower, lower);
}

/// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

/// `text` fit to be shown in a sentence: what cannot be printed is a question mark.
std::string quoted(std::string_view text) {
  std::string shown(text.substr(0, 60));
  std::ranges::replace_if(shown, [](char c) { return c < ' ' || c == 0x7f; }, '?');
  return '"' + shown + '"';
}

[[noreturn]] void refuse(const char* field, const std::string& sentence) {
  throw base::PlanError(field, sentence);
}

void check_method(std::string_view method) {
  if (!is_token(method)) {
    refuse("method", "is " + quoted(method) + ", which is no HTTP method; write GET or POST, say");
  }
  if (method == "CONNECT") refuse("method", "is CONNECT, which is for proxies; use another");
}

/// RFC 9110 section 5.5: visible characters, spaces and tabs, and bytes from 0x80 on.
void check_value(std::string_view name, std::string_view value) {
  for (const char c : value) {
    if (c == '\r' || c == '\n') {
      refuse("headers", "have a newline in the value of " + quoted(name) + "; leave it out");
    }
    if ((static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f) {
      refuse("headers", "have a control byte in the value of " + quoted(name) + "; leave it out");
    }
  }
}

/// The one value of a field that may be there once only.
std::optional<std::string_view> single(const RequestSpec& spec, std::string_view wanted) {
  std::optional<std::string_view> found;
  for (const auto& [name, value] : spec.headers) {
    if (!same_name(name, wanted)) continue;
    if (found) refuse("headers", "have " + std::string(wanted) + " more than once; give it once");
    found = value;
  }
  return found;
}

/// Whitespace around a value is no part of it (RFC 9110 section 5.5).
std::string_view trimmed(std::string_view value) {
  const auto first = value.find_first_not_of(" \t");
  if (first == value.npos) return {};
  return value.substr(first, value.find_last_not_of(" \t") - first + 1);
}

void check_headers(const RequestSpec& spec) {
  for (const auto& [name, value] : spec.headers) {
    if (!is_token(name)) {
      refuse("headers", "have the name " + quoted(name) +
                            "; a name is letters, digits and hyphens, without spaces or colons");
    }
    check_value(name, value);
    if (same_name(name, "Transfer-Encoding")) {
      refuse("headers", "have Transfer-Encoding; leave it out, the body is sent as it is");
    }
  }
  const auto length = single(spec, "Content-Length");
  if (length && trimmed(*length) != std::to_string(spec.body.size())) {
    refuse("headers", "have Content-Length " + quoted(*length) + " for a body of " +
                          std::to_string(spec.body.size()) + " bytes; leave it out");
  }
}

bool expects_body(std::string_view method) noexcept {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

void append_field(std::string& bytes, std::string_view name, std::string_view value) {
  bytes.append(name).append(": ").append(trimmed(value)).append("\r\n");
}

}  // namespace

std::string serialize(const RequestSpec& spec) {
  check_method(spec.method);
  check_headers(spec);

  std::string bytes = spec.method + ' ' + spec.url.target + " HTTP/1.1\r\n";
  // Before all others, as RFC 9110 section 7.2 advises.
  append_field(bytes, "Host", single(spec, "Host").value_or(spec.url.authority));
  if (!single(spec, "User-Agent")) {
    append_field(bytes, "User-Agent", "loadcore/" + std::string(base::version()));
  }
  const bool accepts = std::ranges::any_of(
      spec.headers, [](const auto& header) { return same_name(header.first, "Accept"); });
  if (!accepts) append_field(bytes, "Accept", "*/*");
  for (const auto& [name, value] : spec.headers) {
    if (!same_name(name, "Host")) append_field(bytes, name, value);
  }
  const bool has_length = single(spec, "Content-Length").has_value();
  if (!has_length && (!spec.body.empty() || expects_body(spec.method))) {
    append_field(bytes, "Content-Length", std::to_string(spec.body.size()));
  }
  return bytes.append("\r\n").append(spec.body);
}

}  // namespace loadcore::http
