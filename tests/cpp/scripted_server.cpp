#include "scripted_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace loadcore::test {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::string new_path() {
  static std::atomic<int> number{0};
  return "/tmp/loadcore-test-" + std::to_string(::getpid()) + "-" + std::to_string(++number) +
         ".sock";
}

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address make_address(ScriptedServer::Kind kind, std::uint16_t port, const std::string& path) {
  Address address;
  switch (kind) {
    case ScriptedServer::Kind::ipv4: {
      auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
      v4.sin_family = AF_INET;
      v4.sin_port = htons(port);
      v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.size = sizeof v4;
      break;
    }
    case ScriptedServer::Kind::ipv6: {
      auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
      v6.sin6_family = AF_INET6;
      v6.sin6_port = htons(port);
      v6.sin6_addr = in6addr_loopback;
      address.size = sizeof v6;
      break;
    }
    case ScriptedServer::Kind::unix_socket: {
      auto& local = reinterpret_cast<sockaddr_un&>(address.storage);
      local.sun_family = AF_UNIX;
      path.copy(local.sun_path, sizeof local.sun_path - 1);
      address.size = sizeof local;
      break;
    }
  }
  return address;
}

std::uint16_t port_of(int descriptor) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    fail("getsockname");
  }
  // The port is at the same place in both families.
  return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

std::size_t body_length(std::string_view head) {
  const auto at = head.find("Content-Length: ");
  return at == head.npos ? 0 : std::strtoull(head.data() + at + 16, nullptr, 10);
}

}  // namespace

// --- Peer

bool ScriptedServer::Peer::read_more() {
  char bytes[16 * 1024];
  const ssize_t count = ::recv(descriptor_, bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  unread_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

std::string ScriptedServer::Peer::read_request() {
  std::size_t head_end = 0;
  while ((head_end = unread_.find("\r\n\r\n")) == unread_.npos) {
    if (!read_more()) return {};
  }
  const std::size_t size = head_end + 4 + body_length(unread_.substr(0, head_end));
  while (unread_.size() < size) {
    if (!read_more()) return {};
  }
  std::string request = unread_.substr(0, size);
  unread_.erase(0, size);
  return request;
}

bool ScriptedServer::Peer::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

void ScriptedServer::Peer::wait_for_close() {
  while (read_more()) unread_.clear();
}

void ScriptedServer::Peer::half_close() { ::shutdown(descriptor_, SHUT_WR); }

void ScriptedServer::Peer::reset() {
  // A connection that is dissolved is reset, and the descriptor stays the server's to close.
  sockaddr unspecified{};
  unspecified.sa_family = AF_UNSPEC;
  if (::connect(descriptor_, &unspecified, sizeof unspecified) != 0) fail("reset");
}

// --- ScriptedServer

ScriptedServer::ScriptedServer(Script script, Kind kind) : script_(std::move(script)), kind_(kind) {
  if (kind == Kind::unix_socket) path_ = new_path();
  open();
}

ScriptedServer::~ScriptedServer() {
  close();
  if (!path_.empty()) ::unlink(path_.c_str());
}

std::string ScriptedServer::url() const {
  switch (kind_) {
    case Kind::ipv4:
      return "http://127.0.0.1:" + std::to_string(port_) + "/";
    case Kind::ipv6:
      return "http://[::1]:" + std::to_string(port_) + "/";
    case Kind::unix_socket:
      break;
  }
  std::string encoded;
  for (const char c : path_) {
    if (c == '/') {
      encoded += "%2F";
    } else {
      encoded += c;
    }
  }
  return "http+unix://" + encoded + "/";
}

std::size_t ScriptedServer::accepted() const {
  const std::scoped_lock lock(mutex_);
  return accepted_;
}

void ScriptedServer::open() {
  const Address address = make_address(kind_, port_, path_);
  listener_ = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener_ < 0) fail("socket");
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener_, address.data(), address.size) != 0) fail("bind");
  if (::listen(listener_, 1024) != 0) fail("listen");
  if (kind_ != Kind::unix_socket) port_ = port_of(listener_);
  closing_ = false;
  acceptor_ = std::thread([this] { accept_connections(); });
}

void ScriptedServer::close() {
  if (listener_ < 0) return;
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    for (const int descriptor : descriptors_) ::shutdown(descriptor, SHUT_RDWR);
  }
  acceptor_.join();
  ::close(std::exchange(listener_, -1));
  for (std::thread& thread : threads_) thread.join();
  for (const int descriptor : descriptors_) ::close(descriptor);
  threads_.clear();
  descriptors_.clear();
  if (!path_.empty()) ::unlink(path_.c_str());
}

void ScriptedServer::accept_connections() {
  while (true) {
    const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::scoped_lock lock(mutex_);
    if (closing_ || descriptor < 0) {
      if (descriptor >= 0) ::close(descriptor);
      return;
    }
    ++accepted_;
    descriptors_.push_back(descriptor);
    threads_.emplace_back([this, descriptor] {
      Peer peer(descriptor);
      script_(peer);
      ::shutdown(descriptor, SHUT_RDWR);
    });
  }
}

std::string answer(std::string_view body, std::string_view head) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(head) + "\r\n" + std::string(body);
}

void answer_all(ScriptedServer::Peer& peer) {
  while (!peer.read_request().empty() && peer.write(answer())) {
  }
}

std::uint16_t free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const Address address = make_address(ScriptedServer::Kind::ipv4, 0, "");
  if (::bind(descriptor, address.data(), address.size) != 0) fail("bind");
  const std::uint16_t port = port_of(descriptor);
  ::close(descriptor);
  return port;
}

}  // namespace loadcore::test
