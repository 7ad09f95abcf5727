#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "loadcore/net/descriptor.hpp"

/// A blocking client over a raw socket on loopback, for tests of servers. Waits 5 s at most.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port, int receive_buffer = 0)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    BOOST_REQUIRE(static_cast<bool>(socket_));
    const timeval patience{5, 0};
    ::setsockopt(socket_.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_.number(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (receive_buffer > 0) {
      ::setsockopt(socket_.number(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    BOOST_REQUIRE(::connect(socket_.number(), reinterpret_cast<const sockaddr*>(&address),
                            sizeof address) == 0);
  }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server has closed: what it said is still to be read
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  /// Reads until `end` has come (it is included), or the server closes.
  std::string receive_until(std::string_view end) {
    std::string got;
    while (!got.ends_with(end)) {
      char byte;
      if (::recv(socket_.number(), &byte, 1, 0) != 1) break;
      got += byte;
    }
    return got;
  }

  /// Reads to the end of the connection; `closed()` then tells whether it was an orderly one.
  std::string receive_all() {
    std::string got;
    char buffer[64 * 1024];
    ssize_t count;
    while ((count = ::recv(socket_.number(), buffer, sizeof buffer, 0)) > 0) {
      got.append(buffer, static_cast<std::size_t>(count));
    }
    closed_ = count == 0;
    return got;
  }
  bool closed() const { return closed_; }

  /// Whether nothing comes for `span`, the connection staying open.
  bool is_silent_for(std::chrono::milliseconds span) {
    const timeval patience{0, static_cast<suseconds_t>(span.count() * 1000)};
    ::setsockopt(socket_.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    char byte;
    const bool silent = ::recv(socket_.number(), &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
    const timeval usual{5, 0};
    ::setsockopt(socket_.number(), SOL_SOCKET, SO_RCVTIMEO, &usual, sizeof usual);
    return silent;
  }

  void end_sending() { ::shutdown(socket_.number(), SHUT_WR); }
  void close() { socket_.close(); }

 private:
  loadcore::net::Descriptor socket_;
  bool closed_ = false;
};

/// The status of an answer's first line, 0 for none.
inline int status_of(std::string_view answer) {
  return answer.size() > 12 && answer.starts_with("HTTP/1.1 ")
             ? std::stoi(std::string(answer.substr(9, 3)))
             : 0;
}

inline std::string body_of(std::string_view answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string_view::npos ? "" : std::string(answer.substr(end + 4));
}
